// Losses of two parameters, with their gradients as autograd computes them.
// A landscape has `value(theta)` and `gradient(theta)`.

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
