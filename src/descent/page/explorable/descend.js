// Descend: gradient descent by hand on the landscapes of the book's own line.

import { Plot, Shell, State, plural, shades, show } from "./base.js";
import { line } from "./landscapes.js";
import { run } from "./rules.js";

const STEPS = 100;
const [MS, BS] = [[-2, 4], [-3, 3]];
const CELLS = 72;

function render({ model, el }) {
  const [x, y] = [model.get("x"), model.get("y")];
  const [m, b] = model.get("start");
  const landscapes = { absolute: line(x, y, "absolute"), squared: line(x, y, "squared") };
  const state = new State("descend", {
    loss: { initial: "absolute", choices: ["absolute", "squared"], label: "loss" },
    rate: { initial: 0.01, low: 1e-4, high: 1, label: "rate" },
    m: { initial: m, low: MS[0], high: MS[1], label: "slope m" },
    b: { initial: b, low: BS[0], high: BS[1], label: "intercept b" },
    view: { initial: "loss", choices: ["loss", "line"], label: "picture" },
    t: { initial: 0, low: 0, high: STEPS, whole: true, label: "number of steps" },
  });
  const shell = new Shell(el, state, draw, 260);
  shell.plots.classList.add("ex-two");
  const map = new Plot(shell.plots, {
    x: "slope m",
    y: "intercept b",
    title: "The landscape from above",
    label: "The loss over slope and intercept as colors, dark is low, with the path of the run.",
    height: 330,
  });
  const beside = new Plot(shell.plots, {
    label: "The loss after each step on a logarithmic axis, or the line over the data.",
    height: 330,
  });
  const place = (at, to) => state.set({ m: at, b: to, t: 0 });
  const start = map.handle({ label: "Start of the descent: slope and intercept", move: place });
  map.onPoint(place);

  shell.choice("loss", "Loss", [["absolute", "absolute (L1)"], ["squared", "squared error"]]);
  shell.slider("rate", "Learning rate α", { log: true });
  shell.slider("m", "Start: slope m", { step: 0.01 });
  shell.slider("b", "Start: intercept b", { step: 0.01 });
  shell.choice("view", "Picture with the map", [["loss", "the loss by step"], ["line", "line and data"]]);
  let last = { path: [] };
  const more = () => state.t < STEPS && !last.diverged;
  const running = shell.steps(STEPS, more);
  shell.resetButton(running.stop);

  function lossByStep(losses, t) {
    const seen = losses.filter((loss) => Number.isFinite(loss));
    const [low, high] = state.loss === "absolute" ? [0.05, 30] : [0.005, 400];
    beside.logY = true;
    beside.frame([-0.5, Math.max(20, t)], [low, Math.max(high, 2 * Math.max(...seen))], {
      title: "The loss after each step",
      x: "step",
      y: "mean loss",
    });
    beside.line(losses.map((loss, k) => [k, loss]), { stroke: "var(--ex-blue)" });
    beside.dots(losses.map((loss, k) => [k, loss]), 5, { stroke: "var(--ex-blue)" });
  }

  function lineOverData([slope, shift]) {
    beside.logY = false;
    beside.frame([-11, 11], [-22, 22], { title: "The line over the data", x: "input x", y: "y" });
    beside.dots(x.map((where, i) => [where, y[i]]), 5, { stroke: "var(--ex-blue)" });
    const ends = [-11, 11].map((where) => [where, slope * where + shift]);
    beside.line(ends, { stroke: "var(--ex-orange)", "stroke-width": 3 });
  }

  function draw() {
    const { rate, t } = state;
    const landscape = landscapes[state.loss];
    last = run("descent", landscape, [state.m, state.b], { rate }, t);
    const { path, losses, diverged } = last;
    const here = path.at(-1);
    const g = landscape.gradient(here);
    const norm = Math.hypot(...g);

    map.frame(MS, BS);
    const far = landscape.gradient([MS[0], BS[1]]);
    const values = () => shades(landscape, MS, BS, CELLS, CELLS);
    map.heat(state.loss, values, CELLS, CELLS, MS, BS);
    map.line(path, { stroke: "#fefefe", "stroke-width": 1.5 });
    map.dots(path, 5, { stroke: "#fefefe" });
    // Longer where it is steeper, within what can be seen: not the step's own length.
    const length = 0.3 + 1.2 * Math.min(1, norm / Math.hypot(...far));
    if (norm > 0) {
      const tip = here.map((value, i) => value - (length * g[i]) / norm);
      map.arrow(here, tip, { stroke: "#fefefe", "stroke-width": 3 });
    }
    map.dots([here], 10, { stroke: "#fefefe" });
    start.place(state.m, state.b, `slope ${show(state.m)}, intercept ${show(state.b)}`);

    if (state.view === "loss") lossByStep(losses, t);
    else lineOverData(here);

    const steps = path.length - 1;
    if (diverged) {
      return (
        `Stopped after ${plural(steps, "step")}: the numbers have left all bounds. At rate ${show(rate)} ` +
        "every step overshoots by more than it gains. Go back to the start, and take a lower rate."
      );
    }
    const before = steps ? losses[steps - 1] : NaN;
    const change = steps
      ? ` The last step ${losses[steps] <= before ? "lowered" : "raised"} it by ${show(Math.abs(losses[steps] - before))}.`
      : " Take a step: it goes against the gradient, the way the arrow points.";
    const outside = here[0] < MS[0] || here[0] > MS[1] || here[1] < BS[0] || here[1] > BS[1];
    return (
      `After ${plural(steps, "step")}: m = ${show(here[0])}, b = ${show(here[1])}, loss ${show(losses[steps], 4)}.${change} ` +
      `The gradient is (${show(g[0])}, ${show(g[1])}), its norm ${show(norm)}; ` +
      `a step is α times that, ${show(rate * norm)}.` +
      (outside ? " The place lies outside the map." : "") +
      (more() ? "" : ` These were all ${STEPS} steps: go back to the start for another run.`)
    );
  }
}

export default { render };
