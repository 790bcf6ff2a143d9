// Chance that repeats: the same seed, the same numbers, on every machine.

// Numbers from 0 up to 1, by Tommy Ettinger's Mulberry32.
export function random(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// `size` of the numbers from 0 to n - 1, each at most once, in random order.
export function sample(next, n, size = n) {
  const all = Array.from({ length: n }, (_, i) => i);
  for (let i = 0; i < size; i += 1) {
    const j = i + Math.floor(next() * (n - i));
    [all[i], all[j]] = [all[j], all[i]];
  }
  return all.slice(0, size);
}

// Minibatches without end: all numbers once an epoch, and then shuffled again.
export function minibatches(next, n, size) {
  let order = [];
  return () => {
    if (!order.length) order = sample(next, n);
    return order.splice(0, size);
  };
}
