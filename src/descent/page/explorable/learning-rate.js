// Learning rate: the regimes of descent on a squared error, named from its curvature.

import { Plot, Shell, State, beside, html, plural, show } from "./base.js";
import { curvatures, line } from "./landscapes.js";
import { run } from "./rules.js";

const STEPS = 100;

// A run whose loss is this many times that of its start is stopped.
const FAR = 1e4;

// What a rate does along a direction of a given curvature: every step multiplies the
// distance to the minimum by 1 - rate * curvature.
export function regime(rate, curvature, steps = STEPS) {
  const factor = 1 - rate * curvature;
  let name = "converging";
  if (Math.abs(factor) > 1 + 1e-12) name = "diverging";
  else if (factor < 0) name = "oscillating";
  // Less than half of the way in all the steps there are.
  else if (factor ** steps > 0.5) name = "creeping";
  return { factor, name };
}

function render({ model, el }) {
  const [x, y] = [model.get("x"), model.get("y")];
  const landscape = line(x, y, "squared");
  const [small, large] = curvatures(x);
  const limit = 2 / large;
  const start = model.get("start");
  const state = new State("learning-rate", {
    rate: { initial: 0.01, low: 1e-5, high: 1, label: "rate" },
    steps: { initial: 30, low: 1, high: STEPS, whole: true, label: "number of steps" },
  });
  const shell = new Shell(el, state, draw, 260);
  shell.plots.classList.add("ex-two");
  const cut = new Plot(shell.plots, {
    x: "slope m",
    y: "mean squared error",
    title: "The loss over m, and the steps",
    label: "A parabola of the loss over the slope m, with the places of the run on it.",
  });
  const curve = new Plot(shell.plots, {
    x: "step",
    y: "mean squared error",
    title: "The loss after each step",
    label: "The loss after each step, on a logarithmic axis.",
    logY: true,
  });
  const slider = shell.slider("rate", "Learning rate α", { log: true, step: 0.005 });
  shell.slider("steps", "Steps");
  const table = html("table", { class: "ex-table" });
  shell.plots.after(table);
  slider.input.setAttribute("list", `${shell.id}-limit`);
  slider.row.append(
    html("datalist", { id: `${shell.id}-limit` }, html("option", { value: Math.log10(limit) })),
  );
  const jump = (text, rate) => shell.button(text, () => state.set({ rate }));
  jump("Half the limit", Number((limit / 2).toPrecision(4)));
  jump("5 % below the limit", Number((0.95 * limit).toPrecision(4)));
  jump("5 % above the limit", Number((1.05 * limit).toPrecision(4)));
  shell.resetButton();

  // The best m for every b is the same, because the inputs are centered on zero.
  const floorOf = (m, b) => landscape.value([m, b]);
  const best = run("descent", landscape, start, { rate: 1 / large }, 1000).path.at(-1);

  function draw() {
    const { rate, steps } = state;
    const along = [regime(rate, large), regime(rate, small)];
    const { path, losses } = run("descent", landscape, start, { rate }, steps);
    const exploding = along[0].name === "diverging";
    const far = losses.findIndex((loss) => !(loss < FAR * losses[0]));
    if (far >= 0) path.length = losses.length = far + 1;
    const span = Math.abs(start[0] - best[0]) * 1.25;
    const xs = [best[0] - span, best[0] + span];
    const b = path.at(-1)[1];
    const middle = Number.isFinite(b) ? best[1] : start[1];
    const parabola = Array.from({ length: 81 }, (_, i) => {
      const m = xs[0] + (i / 80) * (xs[1] - xs[0]);
      return [m, floorOf(m, middle)];
    });
    cut.frame(xs, [0, parabola[0][1] * 1.02]);
    cut.line(parabola, { stroke: "var(--ex-muted)" });
    const places = path.map(([m]) => [m, floorOf(m, middle)]);
    const color = exploding ? "var(--ex-orange)" : "var(--ex-blue)";
    cut.line(places, { stroke: color, "stroke-width": 1.2 });
    cut.dots(places, 7, { stroke: color });
    cut.dots([places[0]], 11, { stroke: "var(--ex-ink)" });

    const seen = losses.filter((loss) => Number.isFinite(loss) && loss > 0);
    const ys = [
      Math.min(0.008, ...seen) / 1.5,
      Math.max(200, Math.min(1e9, Math.max(...seen))) * 2,
    ];
    curve.frame([0, steps], ys);
    curve.line(losses.map((loss, t) => [t, loss]), { stroke: color });
    curve.dots(losses.map((loss, t) => [t, loss]), 5, { stroke: color });

    table.replaceChildren(
      html("caption", { class: "visually-hidden" }, "What the rate does in each direction"),
      html("tr", {}, html("td"), ...["curvature c", "1 − α c", "regime"].map((text) => html("th", { scope: "col" }, text))),
      ...[["along m", large, along[0]], ["along b", small, along[1]]].map(([name, c, { factor, name: found }]) =>
        html("tr", {}, html("th", { scope: "row" }, name), html("td", {}, show(c, 4)), html("td", {}, beside(factor, 1, 0, -1)), html("td", {}, found)),
      ),
    );
    const percent = beside((100 * rate) / limit, 100);
    const whole = along[0].name;
    const why = {
      creeping: "Every step keeps nearly all of the distance: it will take many.",
      converging: "Every step along m shortens the distance to the minimum, on the same side.",
      oscillating: "Every step along m crosses the minimum, and lands closer to it than before.",
      diverging: "Every step along m crosses the minimum, and lands farther from it than before.",
    }[whole];
    let end = `After ${plural(path.length - 1, "step")} the loss is ${show(losses.at(-1))}.`;
    if (far >= 0) {
      end = `It was stopped after ${far} of ${plural(steps, "step")}, at a loss of ${show(losses[far])}: it has diverged.`;
    } else if (exploding) end += " It diverges: more steps only make it worse.";
    return (
      `Rate ${show(rate)} is ${percent} % of the limit 2/c = ${show(limit, 4)}: ${whole} along m, ` +
      `${along[1].name} along b. ${why} ${end}`
    );
  }
}

export default { render };
