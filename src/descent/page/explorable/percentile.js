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

// AutoClip's thresholds for a history of norms, one a step: the percentile of the
// norms so far, or of the `window` latest. Norms that are no numbers never enter
// the history; the threshold of such a step is NaN.
export function autoclip(norms, p, window = Infinity) {
  const [sorted, recent] = [[], []];
  return norms.map((norm) => {
    if (!Number.isFinite(norm)) return NaN;
    sorted.splice(place(sorted, norm), 0, norm);
    recent.push(norm);
    if (recent.length > window) sorted.splice(place(sorted, recent.shift()), 1);
    return percentile(sorted, p);
  });
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
    if (!Number.isFinite(norm)) return;
    taken += 1;
    if (norm > thresholds[step]) cut += 1;
  });
  return taken ? (100 * cut) / taken : 0;
}
