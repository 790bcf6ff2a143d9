// Noise: the gradients of minibatches, by their norms and their directions.

import { Plot, Shell, State, beside, show } from "./base.js";
import { line } from "./landscapes.js";
import { random, sample } from "./chance.js";

const BINS = 36;

// Of 12 degrees each, so that 0 is in the middle of one and 90 between two.
const [TURNS, TURN] = [31, 186];

// A share of the way that is next to none.
const NEAREST = 1e-3;

// Gradients of minibatches at a place: for each its norm, and its angle to the
// gradient of all points, in degrees from -180 to 180.
export function draw(landscape, theta, n, size, count, seed) {
  const next = random(seed);
  const full = landscape.gradient(theta);
  const towards = Math.atan2(full[1], full[0]);
  const drawn = Array.from({ length: count }, () => {
    const g = landscape.gradient(theta, sample(next, n, size));
    let angle = Math.atan2(g[1], g[0]) - towards;
    angle -= 2 * Math.PI * Math.round(angle / (2 * Math.PI));
    return { g, norm: Math.hypot(...g), angle: (180 * angle) / Math.PI };
  });
  return { full, drawn };
}

function counts(values, low, high, bins = BINS) {
  const found = new Array(bins).fill(0);
  for (const value of values) {
    const bin = Math.floor((bins * (value - low)) / (high - low));
    found[Math.min(bins - 1, Math.max(0, bin))] += 1;
  }
  return found;
}

function render({ model, el }) {
  const [x, y] = [model.get("x"), model.get("y")];
  const [far, near] = [model.get("start"), model.get("line")];
  const n = x.length;
  const state = new State("noise", {
    loss: { initial: "absolute", choices: ["absolute", "squared"], label: "loss" },
    size: { initial: 10, low: 1, high: n, whole: true, label: "batch size" },
    way: { initial: 0, low: 0, high: 100, label: "part of the way" },
    count: { initial: 500, low: 50, high: 2000, whole: true, label: "number of minibatches" },
    seed: { initial: 1, low: 1, high: 99, whole: true, label: "seed" },
  });
  const shell = new Shell(el, state, look, 240);
  shell.plots.classList.add("ex-two");
  const norms = new Plot(shell.plots, {
    x: "gradient norm",
    y: "minibatches",
    title: "How long",
    label: "A histogram of the norms of minibatch gradients.",
  });
  const angles = new Plot(shell.plots, {
    x: "angle to the full gradient, degrees",
    y: "minibatches",
    title: "Which way",
    label: "A histogram of the angles between minibatch gradients and the gradient of all points.",
  });
  shell.slider("size", "Batch size");
  // By the share of the way that is left, in decades: nearly all that changes does so
  // close to the true line.
  shell.slider("way", "Way to the true line", {
    scale: [
      (way) => -Math.log10(1 - way / 100 + NEAREST),
      (at) => Number((100 * (1 + NEAREST - 10 ** -at)).toPrecision(4)),
    ],
    step: 0.01,
    format: (value) => `${show(value, value > 99 ? 4 : 3)} %`,
  });
  shell.choice("loss", "Loss", [["absolute", "absolute (L1)"], ["squared", "squared error"]]);
  shell.slider("count", "Minibatches", { step: 50 });
  shell.button("Draw anew", () => state.set({ seed: (state.seed % 99) + 1 }));
  shell.resetButton();

  function look() {
    const { size, way, count, seed } = state;
    const landscape = line(x, y, state.loss);
    const theta = far.map((value, i) => value + (way / 100) * (near[i] - value));
    const { full, drawn } = draw(landscape, theta, n, size, count, seed);
    const norm = Math.hypot(...full);
    const lengths = drawn.map((d) => d.norm);

    // The widest there is, single points, sets the axis for every batch size.
    const single = x.map((_, i) => Math.hypot(...landscape.gradient(theta, [i])));
    const most = Math.max(...single) * 1.02;
    const a = counts(lengths, 0, most);
    const top = Math.max(...a) * 1.1;
    norms.frame([0, most], [0, top]);
    a.forEach((number, k) =>
      norms.bar((k * most) / BINS, ((k + 0.9) * most) / BINS, 0, number, { fill: "var(--ex-blue)" }),
    );
    norms.line([[norm, 0], [norm, top]], { stroke: "var(--ex-orange)", "stroke-dasharray": "6 4" });

    const turned = drawn.map((d) => d.angle);
    const b = counts(turned, -TURN, TURN, TURNS);
    const high = Math.max(...b) * 1.1;
    angles.frame([-TURN, TURN], [0, high], { xMarks: [-180, -90, 0, 90, 180] });
    b.forEach((number, k) => {
      const left = -TURN + 12 * k;
      const wrong = Math.abs(left + 6) > 90;
      angles.bar(left, left + 11, 0, number, {
        fill: wrong ? "var(--ex-orange)" : "var(--ex-blue)",
      });
    });
    for (const edge of [-90, 90]) {
      angles.line([[edge, 0], [edge, high]], { stroke: "var(--ex-ink)", "stroke-width": 1, "stroke-dasharray": "3 3" });
    }
    angles.text(-176, high * 0.94, "uphill");
    angles.text(-60, high * 0.94, "downhill");

    const mean = full.map((_, i) => drawn.reduce((sum, d) => sum + d.g[i], 0) / count);
    const spread = Math.sqrt(
      drawn.reduce((sum, d) => sum + (d.g[0] - mean[0]) ** 2 + (d.g[1] - mean[1]) ** 2, 0) / count,
    );
    const uphill = (100 * turned.filter((angle) => Math.abs(angle) > 90).length) / count;
    // Beside the digits in which sums over all points differ by their order.
    const scatter =
      spread < 1e-9 * norm
        ? "all minibatches are the same, and there is nothing to scatter."
        : `the minibatches scatter around it by ${show(spread)}, ${show(spread / norm)} times as much.`;
    return (
      `${show(count)} minibatches of ${size} of ${n} points. The gradient of all points has a norm of ${show(norm)} ` +
      `(dashed); ${scatter} For ${beside(uphill, 100)} % of them a step against their gradient would go uphill.`
    );
  }
}

export default { render };
