// Stand at the wall: one start, and three ways to deal with a gradient that is too long.

import { Plot, Shell, State, html, plural, shades, show } from "./base.js";
import { cliff } from "./landscapes.js";
import { thresholds } from "./percentile.js";
import { run } from "./rules.js";

const STEPS = 200;
const [WS, BS] = [[4, 5.3], [-2.7, -1.95]];
const CELLS = 140;

// On the color map, which is the same on light and dark pages, and beside it.
const WALKERS = [
  ["plain", "plain", "#ff9356", "var(--ex-orange)", "none"],
  ["clipped", "clipped", "#fefefe", "var(--ex-blue)", "6 3"],
  ["autoclip", "AutoClip", "#dd9ad6", "var(--ex-purple)", "2 3"],
];

// One walker's run: the places, and at each the gradient, its norm, its threshold, and
// by what the gradient is multiplied before the step.
export function walk(id, landscape, start, { rate, threshold, p }, steps = STEPS) {
  const limit = { plain: () => Infinity, clipped: () => threshold, autoclip: thresholds(p) }[id];
  const met = [];
  const clip = (theta) => {
    const g = landscape.gradient(theta);
    const norm = Math.hypot(...g);
    const tau = limit(norm);
    const factor = norm > tau ? tau / norm : 1;
    met.push({ g, norm, tau, factor });
    return g.map((value) => value * factor);
  };
  const { path, losses } = run("descent", landscape, start, { rate }, steps, clip);
  clip(path.at(-1));
  return { path, losses, met };
}

function render({ model, el }) {
  const [w, b] = model.get("start");
  const state = new State("cliff", {
    rate: { initial: model.get("rate"), low: 1e-3, high: 1, label: "rate" },
    threshold: { initial: model.get("threshold"), low: 0.01, high: 1e4, label: "threshold" },
    p: { initial: 10, low: 0, high: 100, label: "percentile" },
    w: { initial: w, low: WS[0], high: WS[1], label: "weight w" },
    b: { initial: b, low: BS[0], high: BS[1], label: "bias b" },
    t: { initial: 0, low: 0, high: STEPS, whole: true, label: "number of steps" },
  });
  const shell = new Shell(el, state, draw, 360);
  shell.plots.classList.add("ex-two");
  const map = new Plot(shell.plots, {
    x: "weight w",
    y: "bias b",
    title: "The wall from above",
    label: "The loss as colors, dark is low, with the paths of three walkers and their gradients.",
    height: 350,
  });
  const curve = new Plot(shell.plots, {
    x: "step",
    y: "gradient norm",
    title: "The gradient before clipping",
    label: "The gradient norm of each walker by step, on a logarithmic axis.",
    height: 350,
    logY: true,
  });
  const place = (at, to) => state.set({ w: at, b: to, t: 0 });
  const start = map.handle({ label: "The common start: weight and bias", move: place });
  map.onPoint(place);
  shell.slider("rate", "Learning rate α", { log: true });
  shell.slider("threshold", "Threshold (clipped)", { log: true });
  shell.slider("p", "AutoClip’s percentile p", { step: 1 });
  shell.slider("t", "Step", { format: String });
  const table = html("table", { class: "ex-table" });
  shell.plots.after(table);
  const more = () => state.t < STEPS;
  const steps = shell.steps(STEPS, more);
  shell.button("To the wall", () => {
    steps.stop();
    const { met } = walk("plain", cliff, [state.w, state.b], state);
    state.set({ t: met.reduce((at, { norm }, t) => (norm > met[at].norm ? t : at), 0) });
  });
  shell.resetButton(steps.stop);

  function draw() {
    const { t } = state;
    const runs = WALKERS.map(([id]) => walk(id, cliff, [state.w, state.b], state));
    map.frame(WS, BS);
    map.heat("cliff", () => shades(cliff, WS, BS, CELLS, CELLS, 0.02), CELLS, CELLS, WS, BS);
    const norms = runs.flatMap(({ met }) => met.slice(0, t + 1).map(({ norm }) => norm)).filter((norm) => norm > 0);
    curve.frame([0, Math.max(30, t)], [
      Math.max(1e-6, Math.min(0.01, ...norms) / 1.5),
      Math.max(1, ...norms) * 3,
    ]);

    const rows = [];
    const told = [];
    WALKERS.forEach(([id, name, onMap, stroke, dash], k) => {
      const { path, losses, met } = runs[k];
      const shown = path.slice(0, t + 1);
      const here = shown.at(-1);
      const { g, norm, tau, factor } = met[t];
      map.line(shown, { stroke: "#1f2328", "stroke-width": 3.5 });
      map.line(shown, { stroke: onMap, "stroke-width": 1.8, "stroke-dasharray": dash });
      // Before, wide and pale; after, narrow. As long as the logarithm: the one would
      // leave the map, the other could not be seen.
      for (const [length, look] of [
        [norm, { "stroke-width": 7, opacity: 0.5 }],
        [norm * factor, { "stroke-width": 2.5 }],
      ]) {
        const reach = 22 * Math.log10(1 + length / 0.01);
        map.pointer(here, g.map((value) => -value / (norm || 1)), reach, { stroke: onMap, ...look });
      }
      map.dots([here], 13 - 2 * k, { stroke: "#1f2328" });
      map.dots([here], 9 - 2 * k, { stroke: onMap });
      curve.line(met.slice(0, t + 1).map((at, i) => [i, at.norm > 0 ? at.norm : NaN]), { stroke, "stroke-dasharray": dash });
      if (id !== "plain") {
        curve.line(met.slice(0, t + 1).map((at, i) => [i, at.tau]), { stroke, "stroke-width": 1, opacity: 0.7 });
      }
      const away = here[0] < WS[0] || here[0] > WS[1] || here[1] < BS[0] || here[1] > BS[1];
      const swatch = html("span", { class: "ex-swatch", style: `--ex-color:${stroke}` });
      rows.push(
        html(
          "tr",
          {},
          html("th", { scope: "row", class: "ex-named" }, swatch, name),
          ...[norm, tau, norm * factor, losses[t]].map((value) =>
            html("td", {}, value === Infinity ? "none" : show(value, value >= 1e4 ? 2 : 3)),
          ),
        ),
      );
      let what = factor < 1 ? `shortens its gradient of ${show(norm)} to ${show(norm * factor)}` : `takes its gradient of ${show(norm)} as it is`;
      if (away) what = norm < 1e-4 ? "has flown off the map, to where nothing slopes" : "has left the map";
      told.push(`${name} ${what}`);
    });
    start.place(state.w, state.b, `w = ${show(state.w)}, b = ${show(state.b)}`);
    table.replaceChildren(
      html("caption", { class: "visually-hidden" }, "The next step of each walker"),
      html("tr", {}, html("td"), ...["norm", "threshold", "clipped to", "loss"].map((text) => html("th", { scope: "col" }, text))),
      ...rows,
    );
    const apart = runs.map(({ path }) => path[t].join()).every((here, _, all) => here === all[0]) && t > 0 ? " All three stand at one place." : "";
    const end = more() ? "" : " That was the last step.";
    const clippedShare = runs.slice(1).map(({ met }) => met.slice(0, t).filter(({ factor }) => factor < 1).length);
    return (
      `After ${plural(t, "step")}: ${told.join("; ")}.${apart} ` +
      `So far ${clippedShare[0]} and ${clippedShare[1]} of the steps were shortened, by the threshold and by AutoClip. ` +
      `The losses are ${runs.map(({ losses }) => show(losses[t])).join(", ")}.${end}`
    );
  }
}

export default { render };
