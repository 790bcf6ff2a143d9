// Percentiles as numpy.percentile takes them, and the two ways to clip by a norm.

// The percentile p of numbers in ascending order: linear between the neighbors of
// the rank p / 100 * (n - 1), from the upper one down where that one is nearer.
export function percentile(sorted, p) {
  const rank = (p / 100) * (sorted.length - 1);
  const below = Math.floor(rank);
  const low = sorted[below];
  if (below + 1 >= sorted.length) return low;
  const weight = rank - below;
  const high = sorted[below + 1];
  const gap = high - low;
  return weight >= 0.5 ? high - gap * (1 - weight) : low + gap * weight;
}

function place(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

// Gradients so short are taken for vanished: the smallest normal number.
const VANISHED = 2.2250738585072014e-308;

// AutoClip's memory: a function of a step's norm that returns the step's threshold, the
// percentile of the norms so far, or of the `window` latest. A norm that is no number
// never enters the history, and its threshold is NaN; nor does one of 0, which needs no
// clipping.
export function thresholds(p, window = Infinity) {
  const [sorted, recent] = [[], []];
  return (norm) => {
    if (!Number.isFinite(norm)) return NaN;
    if (norm < VANISHED) return Infinity;
    sorted.splice(place(sorted, norm), 0, norm);
    recent.push(norm);
    if (recent.length > window) sorted.splice(place(sorted, recent.shift()), 1);
    return percentile(sorted, p);
  };
}

// The thresholds for a whole run's norms, one a step.
export function autoclip(norms, p, window = Infinity) {
  return norms.map(thresholds(p, window));
}

// The same without a guard: one bad norm, and every later threshold is NaN, until
// the norm has left the window.
export function unguarded(norms, p, window = Infinity) {
  const clean = autoclip(norms, p, window);
  let last = -Infinity;
  return norms.map((norm, step) => {
    if (!Number.isFinite(norm)) last = step;
    return step - last < window ? NaN : clean[step];
  });
}

// What becomes of one gradient: its norm after the threshold, NaN if it was refused.
export function clipped(norm, threshold) {
  if (!Number.isFinite(norm)) return NaN;
  return norm > threshold ? threshold : norm;
}

// How many of the steps were shortened, in percent of those that were taken.
export function share(norms, thresholds) {
  let [taken, cut] = [0, 0];
  norms.forEach((norm, step) => {
    if (!Number.isFinite(norm) || Number.isNaN(thresholds[step])) return;
    taken += 1;
    if (norm > thresholds[step]) cut += 1;
  });
  return taken ? (100 * cut) / taken : 0;
}
