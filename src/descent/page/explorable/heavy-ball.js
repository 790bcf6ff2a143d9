// Momentum on a parabola, from the eigenvalues of one step. For a curvature c a step
// takes (θ, v) to (θ − α (μ v + c θ), μ v + c θ), so that λ² − (1 + μ − α c) λ + μ = 0.

// How a direction behaves in the end: which share of the distance a step leaves, and
// what the ball does on its way.
export function motion(rate, momentum, curvature) {
  const half = (1 + momentum - rate * curvature) / 2;
  const inside = half * half - momentum;
  const left = inside < 0 ? Math.sqrt(momentum) : Math.abs(half) + Math.sqrt(inside);
  let name = "monotone";
  if (rate * curvature > 2 * (1 + momentum)) name = "diverging";
  else if (inside < 0) name = "ringing";
  else if (half < 0) name = "zigzagging";
  return { left, name };
}

// The share that is left where directions differ: that of the slowest.
export const leaves = (rate, momentum, curvatures) =>
  Math.max(...curvatures.map((c) => motion(rate, momentum, c).left));

// Steps until a tenth of the distance is left.
export const stepsForTenth = (left) => (left < 1 ? Math.log(0.1) / Math.log(left) : Infinity);

// The best rate and momentum for curvatures from low to high (Polyak 1964).
export function bestSetting([low, high]) {
  const [a, b] = [Math.sqrt(low), Math.sqrt(high)];
  return { rate: (2 / (a + b)) ** 2, momentum: ((b - a) / (b + a)) ** 2 };
}

// Where a step leaves exactly that share: between the lower end, the upper left and the
// upper right of this line, straight in rate and momentum. Empty if no setting does.
export function contour(left, [low, high]) {
  const slow = (momentum) => ((1 - left) * (1 - momentum / left)) / low;
  const fast = (momentum) => ((1 + left) * (1 + momentum / left)) / high;
  const top = left * left;
  if (slow(top) > fast(top)) return [];
  const [a, b] = [(1 - left) / low, (1 + left) / high];
  const bottom = Math.max(0, (left * (a - b)) / (a + b));
  return [[slow(top), top], [slow(bottom), bottom], [fast(bottom), bottom], [fast(top), top], [slow(top), top]];
}
