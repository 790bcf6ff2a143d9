// Fit it yourself: a line by hand, three losses, and one point that can go astray.

import { Plot, Shell, State, clamp, show } from "./base.js";
import { COSTS, best, line } from "./landscapes.js";

const NAMES = [
  ["absolute", "absolute difference"],
  ["squared", "squared error"],
  ["huber", "Huber, δ = 1"],
];

function render({ model, el }) {
  const x = model.get("x");
  const recorded = model.get("y");
  const last = x.length - 1;
  const [left, right] = [-7, 7];
  const ys = [-22, 22];
  const state = new State("fit", {
    loss: { initial: "absolute", choices: NAMES.map(([name]) => name), label: "loss" },
    m: { initial: 0.5, low: -3, high: 3, label: "slope m" },
    b: { initial: 4, low: -10, high: 10, label: "intercept b" },
    outlier: { initial: recorded[last], low: -20, high: 20, label: "height of the outlier" },
  });
  const shell = new Shell(el, state, draw, 225);
  shell.plots.classList.add("ex-two");
  const data = new Plot(shell.plots, {
    x: "input x",
    y: "y",
    title: "The line and the points",
    label: "Points, your line with the residuals, and the best line.",
    height: 340,
  });
  const cost = new Plot(shell.plots, {
    x: "residual r of the point",
    y: "cost of the point",
    title: "What each point costs",
    label: "The cost of a point over its residual, with a dot for every point.",
    height: 340,
  });

  // An end of the line, held: the other one stays where it is.
  const turn = (here, other) =>
    data.handle({
      label: `The line at x = ${here}`,
      along: "y",
      move: (_, y) => {
        const there = state.m * other + state.b;
        const { low, high } = state.specification.m;
        const m = clamp((y - there) / (here - other), low, high);
        state.set({ m, b: there - m * other });
      },
    });
  const ends = [turn(left, right), turn(right, left)];
  const middle = data.handle({
    label: "The whole line",
    along: "y",
    move: (_, y) => state.set({ b: y }),
  });
  const outlier = data.handle({
    label: "The last point",
    along: "y",
    move: (_, y) => state.set({ outlier: y }),
  });
  outlier.grip.classList.add("ex-point");

  shell.choice("loss", "Loss", NAMES);
  shell.slider("m", "Slope m", { step: 0.01 });
  shell.slider("b", "Intercept b", { step: 0.05 });
  shell.slider("outlier", "Height of the last point", { step: 0.1 });
  const targets = () => recorded.map((value, i) => (i === last ? state.outlier : value));
  shell.button("Show me the best line", () => {
    const [m, b] = best(x, targets(), state.loss);
    state.set({ m, b });
  });
  shell.resetButton();

  function draw() {
    const { m, b, loss } = state;
    const y = targets();
    const landscape = line(x, y, loss);
    const optimum = best(x, y, loss);
    const [mine, lowest] = [landscape.value([m, b]), landscape.value(optimum)];
    const at = ([slope, shift], where) => slope * where + shift;

    data.frame([-11, 11], ys);
    x.forEach((where, i) => {
      data.line([[where, y[i]], [where, at([m, b], where)]], {
        stroke: "var(--ex-muted)",
        "stroke-width": 1.2,
      });
    });
    data.line([[-11, at(optimum, -11)], [11, at(optimum, 11)]], {
      stroke: "var(--ex-green)",
      "stroke-dasharray": "6 5",
    });
    data.line([[-11, at([m, b], -11)], [11, at([m, b], 11)]], {
      stroke: "var(--ex-orange)",
      "stroke-width": 3,
    });
    data.dots(x.map((where, i) => [where, y[i]]), 8, { stroke: "var(--ex-blue)" });
    ends.forEach((end, k) => {
      const where = [left, right][k];
      end.place(where, at([m, b], where), `height ${show(at([m, b], where))}`);
    });
    middle.place(0, b, `height ${show(b)} at x = 0`);
    outlier.place(x[last], state.outlier, `height ${show(state.outlier)}`);

    const { value } = COSTS[loss];
    const residuals = x.map((where, i) => at([m, b], where) - y[i]);
    const most = Math.max(3, ...residuals.map(Math.abs)) * 1.08;
    const curve = Array.from({ length: 121 }, (_, i) => most * (i / 60 - 1));
    cost.frame([-most, most], [0, value(most) * 1.05]);
    cost.line(curve.map((r) => [r, value(r)]), { stroke: "var(--ex-muted)" });
    cost.dots(residuals.map((r) => [r, value(r)]), 7, { stroke: "var(--ex-blue)" });
    cost.dots([[residuals[last], value(residuals[last])]], 11, { stroke: "var(--ex-orange)" });

    const worst = (100 * value(residuals[last])) / (mine * x.length);
    const near =
      mine <= lowest * 1.001 + 1e-9
        ? "No line does better."
        : `The best line (dashed) has ${show(lowest)}, with m = ${show(optimum[0])} and b = ${show(optimum[1])}: ` +
          `you are ${show(Math.abs(m - optimum[0]))} away in m and ${show(Math.abs(b - optimum[1]))} in b.`;
    return (
      `Your line has m = ${show(m)}, b = ${show(b)} and a loss of ${show(mine)}. ${near} ` +
      `The last point alone makes up ${show(worst)} % of your loss.`
    );
  }
}

export default { render };
