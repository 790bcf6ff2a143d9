// Update rules of optimizers, as torch.optim takes them, in the same order of
// operations. A rule is a function of a start and settings that returns a function
// of a gradient: call it, and the parameters have moved.

export const DEFAULTS = {
  rate: 0.01,
  momentum: 0.9,
  alpha: 0.99,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
};

function descent(theta, s) {
  return (g) => theta.forEach((value, i) => (theta[i] = value - s.rate * g[i]));
}

function momentum(theta, s) {
  const v = theta.map(() => 0);
  return (g) =>
    g.forEach((slope, i) => {
      v[i] = s.momentum * v[i] + slope;
      theta[i] -= s.rate * v[i];
    });
}

function nesterov(theta, s) {
  const v = theta.map(() => 0);
  return (g) =>
    g.forEach((slope, i) => {
      v[i] = s.momentum * v[i] + slope;
      theta[i] -= s.rate * (slope + s.momentum * v[i]);
    });
}

function rmsprop(theta, s) {
  const square = theta.map(() => 0);
  return (g) =>
    g.forEach((slope, i) => {
      square[i] = s.alpha * square[i] + (1 - s.alpha) * slope * slope;
      theta[i] -= (s.rate * slope) / (Math.sqrt(square[i]) + s.eps);
    });
}

function adam(theta, s) {
  const mean = theta.map(() => 0);
  const square = theta.map(() => 0);
  let t = 0;
  return (g) => {
    t += 1;
    const size = s.rate / (1 - s.beta1 ** t);
    const root = Math.sqrt(1 - s.beta2 ** t);
    g.forEach((slope, i) => {
      mean[i] += (1 - s.beta1) * (slope - mean[i]);
      square[i] = s.beta2 * square[i] + (1 - s.beta2) * slope * slope;
      theta[i] -= (size * mean[i]) / (Math.sqrt(square[i]) / root + s.eps);
    });
  };
}

export const RULES = { descent, momentum, nesterov, rmsprop, adam };

// Run a rule; return the path (steps + 1 places) and the loss at each of them. The
// run ends where the loss is no longer a number or has left all bounds: nothing
// after that means anything. `gradient(theta, step)` may differ from the landscape's
// own, as that of a minibatch does.
export function run(rule, landscape, start, settings, steps, gradient) {
  const slope = gradient ?? ((place) => landscape.gradient(place));
  const theta = [...start];
  const step = RULES[rule](theta, { ...DEFAULTS, ...settings });
  const path = [[...theta]];
  const losses = [landscape.value(theta)];
  for (let t = 0; t < steps && isSound(theta, losses[t]); t += 1) {
    step(slope(theta, t));
    path.push([...theta]);
    losses.push(landscape.value(theta));
  }
  return { path, losses, diverged: !isSound(theta, losses[losses.length - 1]) };
}

export const BOUND = 1e30;

function isSound(theta, loss) {
  return Math.abs(loss) < BOUND && theta.every((value) => Math.abs(value) < BOUND);
}

// The number of steps after which all losses stay at or below a target, or Infinity.
export function stepsNeeded(losses, target) {
  let last = losses.length - 1;
  while (last >= 0 && losses[last] <= target) last -= 1;
  return last === losses.length - 1 ? Infinity : last + 1;
}
