// Brute force: a landscape filled cell by cell, and what more parameters would cost.

import { Plot, Shell, State, plural, raised, shade, show } from "./base.js";
import { line } from "./landscapes.js";

const [LOW, HIGH] = [-2, 2];
const PER_SECOND = 1e6;

const UNITS = [
  ["age of the universe", 4.35e17],
  ["year", 3.156e7],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
  ["millisecond", 1e-3],
  ["microsecond", 1e-6],
];

// A time for a reader, in its own unit.
export function duration(seconds) {
  const [name, size] = UNITS.find(([, s]) => seconds >= s * 0.9995) ?? UNITS.at(-1);
  const count = show(seconds / size);
  if (name === "age of the universe") return `${count} times the age of the universe`;
  return `${count} ${name}${count === "1" ? "" : "s"}`;
}

// The loss of the first `count` cells of an n by n grid, row by row, and the lowest.
export function search(landscape, n, count) {
  const value = (k) => LOW + ((HIGH - LOW) * k) / (n - 1);
  const losses = new Float64Array(n * n).fill(NaN);
  let lowest = { loss: Infinity };
  for (let cell = 0; cell < count; cell += 1) {
    const theta = [value(cell % n), value(Math.floor(cell / n))];
    losses[cell] = landscape.value(theta);
    if (losses[cell] < lowest.loss) lowest = { loss: losses[cell], theta };
  }
  return { losses, lowest };
}

function render({ model, el }) {
  const [x, y] = [model.get("x"), model.get("y")];
  const [m, b] = model.get("start");
  const landscape = line(x, y, "absolute");
  const state = new State("brute-force", {
    n: { initial: 12, low: 2, high: 60, whole: true, label: "resolution" },
    done: { initial: 0, low: 0, high: 3600, whole: true, label: "number of evaluations" },
    k: { initial: 2, low: 1, high: 20, whole: true, label: "number of parameters" },
    m: { initial: m, low: LOW, high: HIGH, label: "slope m" },
    b: { initial: b, low: LOW, high: HIGH, label: "intercept b" },
  });
  const shell = new Shell(el, state, draw, 265);
  shell.plots.classList.add("ex-two");
  const map = new Plot(shell.plots, {
    x: "slope m",
    y: "intercept b",
    title: "The landscape, as far as it is known",
    label: "A grid of slopes and intercepts. Cells that were tried are colored: dark is low.",
    height: 330,
  });
  const data = new Plot(shell.plots, {
    x: "input x",
    y: "y",
    title: "The line at the point",
    label: "The data and the line that belongs to the point on the landscape.",
    height: 330,
  });
  const place = (at, to) => state.set({ m: at, b: to });
  const point = map.handle({ label: "A line: its slope and intercept", move: place });
  map.onPoint(place);
  const turn = (here, other) =>
    data.handle({
      label: `The line at x = ${here}`,
      along: "y",
      move: (_, to) => {
        const slope = (to - (state.m * other + state.b)) / (here - other);
        state.set({ m: slope, b: to - slope * here });
      },
    });
  const ends = [turn(-7, 7), turn(7, -7)];

  const size = () => state.n * state.n;
  const done = () => Math.min(state.done, size());
  // A finer grid has other cells: all of them are tried, if all of the old ones were.
  shell.slider("n", "Values for each parameter", {
    put: (n) => {
      running.stop();
      state.set({ n, done: done() === size() ? n * n : 0 });
    },
  });
  shell.slider("k", "Parameters of a network");
  shell.slider("m", "Slope m of the point", { step: 0.01 });
  shell.slider("b", "Intercept b of the point", { step: 0.01 });
  shell.button("One evaluation", () => state.set({ done: Math.min(size(), done() + 1) }));
  const running = shell.runButton(
    "Try everything",
    () => {
      const more = Math.max(1, Math.round(size() / 100));
      state.set({ done: Math.min(size(), done() + more) });
      return done() < size();
    },
    () => state.set({ done: size() }),
  );
  shell.button("Go to the lowest", () => {
    const { lowest } = search(landscape, state.n, done());
    if (lowest.theta) state.set({ m: lowest.theta[0], b: lowest.theta[1] });
  });
  shell.button("Forget", () => {
    running.stop();
    state.set({ done: 0 });
  });
  shell.resetButton(running.stop);

  // The same colors at every resolution: those of the whole landscape.
  const corners = search(landscape, 2, 4).losses;
  const range = [0.08, Math.max(...corners)];

  function draw() {
    const { n, k } = state;
    const tried = done();
    const { losses, lowest } = search(landscape, n, tried);
    const half = (HIGH - LOW) / (n - 1) / 2;
    map.frame([-2.2, 2.2], [-2.2, 2.2]);
    const colors = () => shade(Float64Array.of(...losses, ...range)).slice(0, n * n);
    const reach = [LOW - half, HIGH + half];
    map.heat(`${n} ${tried}`, colors, n, n, reach, reach, { class: "ex-cells" });
    if (lowest.theta) {
      map.mark("circle", {
        cx: map.px(lowest.theta[0]),
        cy: map.py(lowest.theta[1]),
        r: 13,
        fill: "none",
        stroke: "var(--ex-orange)",
        "stroke-width": 3,
      });
    }
    const mine = landscape.value([state.m, state.b]);
    point.place(state.m, state.b, `slope ${show(state.m)}, intercept ${show(state.b)}`);

    data.frame([-11, 11], [-22, 22]);
    data.dots(x.map((where, i) => [where, y[i]]), 5, { stroke: "var(--ex-blue)" });
    const at = (where) => state.m * where + state.b;
    data.line([[-11, at(-11)], [11, at(11)]], { stroke: "var(--ex-orange)", "stroke-width": 3 });
    ends.forEach((end, i) => end.place([-7, 7][i], at([-7, 7][i]), `height ${show(at([-7, 7][i]))}`));

    const count = n ** k;
    const found = lowest.theta
      ? `Lowest so far: ${show(lowest.loss)}, at m = ${show(lowest.theta[0])} and b = ${show(lowest.theta[1])}.`
      : "Nothing has been tried yet.";
    return (
      `${tried.toLocaleString("en-US")} of ${n} × ${n} = ${size().toLocaleString("en-US")} evaluations. ${found} ` +
      `Your point has a loss of ${show(mine)}. A network of ${plural(k, "parameter")} would need ` +
      `${n}${raised(k)} = ${show(count)} evaluations: ${duration(count / PER_SECOND)}, at a million a second.`
    );
  }
}

export default { render };
