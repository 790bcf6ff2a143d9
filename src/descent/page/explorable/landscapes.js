// Losses of two parameters, with their gradients as autograd computes them.
// A landscape has `value(theta)` and `gradient(theta)`.

// Of the ravine's steep sides.
export const CURVATURE = 10;

const SURFACES = {
  bowl: {
    value: ([u, v]) => (u ** 2 + v ** 2) / 2,
    gradient: ([u, v]) => [u, v],
  },
  ravine: {
    value: ([u, v]) => u ** 2 / 20 + 5 * v ** 2,
    gradient: ([u, v]) => [u / 10, 10 * v],
  },
  saddle: {
    value: ([u, v]) => u ** 2 / 2 + (v ** 2 - 1) ** 2 / 4,
    gradient: ([u, v]) => [u, (v ** 2 - 1) * v],
  },
  rosenbrock: {
    value: ([u, v]) => (1 - u) ** 2 + 100 * (v - u ** 2) ** 2,
    gradient: ([u, v]) => [
      -2 * (1 - u) - 400 * u * (v - u ** 2),
      200 * (v - u ** 2),
    ],
  },
};

// The ravine of another condition number: as steep across, and more or less level along.
export function ravine(condition) {
  const along = CURVATURE / condition;
  return {
    value: ([u, v]) => (along * u ** 2 + CURVATURE * v ** 2) / 2,
    gradient: ([u, v]) => [along * u, CURVATURE * v],
  };
}

// The state that the recurrent unit should end in, and after how many updates.
const [TARGET, UPDATES] = [0.7, 50];

// The last state of the unit, and its slopes along weight and bias.
function unit([w, b]) {
  let [state, dw, db] = [0.5, 0, 0];
  for (let k = 0; k < UPDATES; k += 1) {
    const next = 1 / (1 + Math.exp(-(w * state + b)));
    const slope = next * (1 - next);
    [state, dw, db] = [next, slope * (state + w * dw), slope * (1 + w * db)];
  }
  return [state, dw, db];
}

// The loss of a unit with a memory of 50 time steps: a plain with a cliff.
export const cliff = {
  value: (theta) => (unit(theta)[0] - TARGET) ** 2,
  gradient: (theta) => {
    const [state, dw, db] = unit(theta);
    return [2 * (state - TARGET) * dw, 2 * (state - TARGET) * db];
  },
};

export function surface(name) {
  return SURFACES[name];
}

// What a point costs, and how fast that grows with its residual r.
export const COSTS = {
  absolute: { value: Math.abs, slope: Math.sign },
  squared: { value: (r) => r * r, slope: (r) => 2 * r },
  huber: {
    value: (r) => (Math.abs(r) <= 1 ? (r * r) / 2 : Math.abs(r) - 0.5),
    slope: (r) => Math.max(-1, Math.min(1, r)),
  },
};

// The mean cost of the line theta[0] x + theta[1] over points; `points` may be the
// numbers of some of them only, a minibatch.
export function line(x, y, cost) {
  const { value, slope } = COSTS[cost];
  const all = x.map((_, i) => i);
  const residual = (theta, i) => theta[0] * x[i] + theta[1] - y[i];
  return {
    value: (theta, points = all) => {
      let sum = 0;
      for (const i of points) sum += value(residual(theta, i));
      return sum / points.length;
    },
    gradient: (theta, points = all) => {
      let [m, b] = [0, 0];
      for (const i of points) {
        const s = slope(residual(theta, i));
        m += s * x[i];
        b += s;
      }
      return [m / points.length, b / points.length];
    },
  };
}

// The curvatures of the squared error of a line, smallest first: the eigenvalues of
// its Hessian, 2/n times [[sum x², sum x], [sum x, n]].
export function curvatures(x) {
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const square = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  const half = Math.hypot((square - 1) / 2, mean);
  return [square + 1 - 2 * half, square + 1 + 2 * half];
}

// The best line for a cost. The squared error has a formula. An absolute error is
// smallest on a line through two of the points, so trying all pairs finds it. The
// Huber loss is smooth and convex: Newton's steps, shortened until they go down.
export function best(x, y, cost) {
  if (cost === "absolute") return bestOfPairs(x, y);
  const squared = bestSquared(x, y);
  return cost === "squared" ? squared : newton(x, y, bestOfPairs(x, y));
}

function bestSquared(x, y) {
  const n = x.length;
  const [mx, my] = [x, y].map((v) => v.reduce((a, b) => a + b, 0) / n);
  let [xy, xx] = [0, 0];
  for (let i = 0; i < n; i += 1) {
    xy += (x[i] - mx) * (y[i] - my);
    xx += (x[i] - mx) ** 2;
  }
  return [xy / xx, my - (xy / xx) * mx];
}

function bestOfPairs(x, y) {
  const { value } = line(x, y, "absolute");
  let [found, lowest] = [[0, 0], Infinity];
  for (let i = 0; i < x.length; i += 1) {
    for (let j = i + 1; j < x.length; j += 1) {
      const m = (y[j] - y[i]) / (x[j] - x[i]);
      const theta = [m, y[i] - m * x[i]];
      const loss = value(theta);
      if (loss < lowest) [found, lowest] = [theta, loss];
    }
  }
  return found;
}

function newton(x, y, start) {
  const { value, gradient } = line(x, y, "huber");
  let theta = start;
  for (let t = 0; t < 100; t += 1) {
    const g = gradient(theta);
    if (Math.hypot(...g) < 1e-13) break;
    let [a, b, c] = [1e-9, 0, 1e-9];
    for (let i = 0; i < x.length; i += 1) {
      if (Math.abs(theta[0] * x[i] + theta[1] - y[i]) <= 1) {
        a += (x[i] * x[i]) / x.length;
        b += x[i] / x.length;
        c += 1 / x.length;
      }
    }
    const det = a * c - b * b;
    const step = [(c * g[0] - b * g[1]) / det, (a * g[1] - b * g[0]) / det];
    let size = 1;
    const next = () => [theta[0] - size * step[0], theta[1] - size * step[1]];
    while (size > 1e-12 && !(value(next()) <= value(theta))) size /= 2;
    if (size <= 1e-12) break;
    theta = next();
  }
  return theta;
}
