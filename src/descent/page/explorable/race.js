// Optimizer race: six rules from one start, each at a rate of its own.

import { Plot, Shell, State, html, shades, show } from "./base.js";
import { minibatches, random } from "./chance.js";
import { line, surface } from "./landscapes.js";
import { DEFAULTS, run, stepsNeeded } from "./rules.js";

const STEPS = 300;
const CELLS = 64;

// The four of the chapter look as in its other figures.
export const RACERS = [
  ["full", "full-batch", "descent", "var(--ex-blue)", "none", ""],
  ["stochastic", "stochastic", "descent", "var(--ex-orange)", "2 3", ""],
  ["momentum", "momentum", "momentum", "var(--ex-green)", "7 4", `μ = ${DEFAULTS.momentum}`],
  ["nesterov", "Nesterov", "nesterov", "var(--ex-ink)", "none", `μ = ${DEFAULTS.momentum}`],
  ["rmsprop", "RMSProp", "rmsprop", "var(--ex-gold)", "4 2", `β = ${DEFAULTS.alpha}`],
  ["adam", "Adam", "adam", "var(--ex-purple)", "9 3 2 3", `β = ${DEFAULTS.beta1}, ${DEFAULTS.beta2}`],
];

const GROUNDS = {
  bowl: { name: "bowl", xs: [-4, 4], ys: [-3, 3], start: [-3, 2], target: 0.01 },
  ravine: { name: "ravine", xs: [-10, 4], ys: [-1.5, 1.5], start: [-9, 1], target: 0.01 },
  saddle: { name: "saddle", xs: [-3, 3], ys: [-2, 2], start: [-2.5, 0.05], target: 0.01 },
  rosenbrock: { name: "Rosenbrock’s banana", xs: [-2, 2], ys: [-1, 3], start: [-1.2, 1], target: 0.1 },
  line: { name: "the line, L1 loss", xs: [-2, 4], ys: [-3, 3], target: 0.1 },
};

// The rates that are tried: twenty to a decade, as in the chapter.
const RATES = Array.from({ length: 101 }, (_, i) => 10 ** (-4 + i / 20));

// One racer's run. The stochastic one takes a minibatch a step on the line's points,
// and does not start where there are no points to draw from.
export function race(id, landscape, start, rate, seed, batch, points, steps = STEPS) {
  const [, , rule] = RACERS.find(([name]) => name === id);
  if (id !== "stochastic") return run(rule, landscape, start, { rate }, steps);
  const draw = minibatches(random(seed), points, batch);
  return run(rule, landscape, start, { rate }, steps, (theta) => landscape.gradient(theta, draw()));
}

function render({ model, el }) {
  const [x, y] = [model.get("x"), model.get("y")];
  const specification = {
    ground: { initial: "ravine", choices: Object.keys(GROUNDS), label: "ground" },
    rates: { initial: "best", choices: ["best", "own"], label: "way to set rates" },
    u: { initial: 0, low: -10, high: 4, label: "start" },
    v: { initial: 0, low: -3, high: 3, label: "start" },
    moved: { initial: false },
    batch: { initial: 10, low: 1, high: x.length, whole: true, label: "batch size" },
    seed: { initial: 1, low: 1, high: 99, whole: true, label: "seed" },
    t: { initial: 0, low: 0, high: STEPS, whole: true, label: "number of steps" },
  };
  for (const [id] of RACERS) {
    specification[id] = { initial: 0.01, low: 1e-4, high: 10, label: `rate of ${id}` };
  }
  const state = new State("race", specification);
  const shell = new Shell(el, state, draw, 330);
  shell.plots.classList.add("ex-two");
  const map = new Plot(shell.plots, {
    x: "first parameter",
    y: "second parameter",
    title: "The ground from above",
    label: "The loss as colors, dark is low, and the paths of the optimizers.",
    height: 330,
  });
  const curve = new Plot(shell.plots, {
    x: "step",
    y: "loss",
    title: "The loss after each step",
    label: "The loss of every optimizer after each step, on a logarithmic axis.",
    height: 330,
    logY: true,
  });
  const place = (u, v) => state.set({ u, v, moved: true, t: 0 });
  // While the start is being dragged the rates stay: finding them takes a moment.
  let held = false;
  const handle = map.handle({
    label: "The common start",
    move: (u, v) => {
      held = true;
      place(u, v);
    },
    end: () => {
      held = false;
      shell.refresh();
    },
  });
  map.onPoint(place);

  const landscapeOf = (ground) => surface(ground) ?? line(x, y, "absolute");
  const isRunning = (id) => id !== "stochastic" || state.ground === "line";
  const startOf = () =>
    state.moved ? [state.u, state.v] : (GROUNDS[state.ground].start ?? model.get("start"));

  let known = {};
  function bestRates() {
    const start = startOf();
    const key = JSON.stringify([state.ground, start, state.seed, state.batch]);
    if (known.key === key || (held && known.ground === state.ground)) return known.rates;
    const landscape = landscapeOf(state.ground);
    const { target } = GROUNDS[state.ground];
    const rates = {};
    for (const [id] of RACERS) {
      let found = { steps: Infinity, loss: Infinity, rate: 0.01 };
      for (const rate of isRunning(id) ? RATES : []) {
        const { losses } = race(id, landscape, start, rate, state.seed, state.batch, x.length);
        const steps = losses.length <= STEPS ? Infinity : stepsNeeded(losses, target);
        const loss = losses.length <= STEPS ? Infinity : losses.at(-1);
        // The first of those that arrive soonest; where none arrives, the one that comes
        // lowest.
        if (steps < found.steps || (steps === Infinity && found.steps === Infinity && loss < found.loss)) {
          found = { steps, loss, rate };
        }
      }
      rates[id] = found.rate;
    }
    known = { key, rates, ground: state.ground };
    return rates;
  }
  const ratesNow = () =>
    state.rates === "best" ? bestRates() : Object.fromEntries(RACERS.map(([id]) => [id, state[id]]));

  const more = () => state.t < STEPS;
  const ground = shell.choice("ground", "Ground", Object.entries(GROUNDS).map(([id, { name }]) => [id, name]));
  ground.select.addEventListener("change", () => state.set({ moved: false, t: 0 }));
  shell.choice("rates", "Rates", [["best", "each at its best"], ["own", "as I set them"]]);
  const rows = RACERS.map(([id, name]) =>
    shell.slider(id, `Rate: ${name}`, {
      log: true,
      get: () => ratesNow()[id],
      put: (rate) => state.set({ ...ratesNow(), rates: "own", [id]: rate }),
    }),
  );
  const batch = shell.slider("batch", "Batch size (stochastic)");
  const table = html("table", { class: "ex-table" });
  shell.plots.after(table);
  const running = shell.steps(STEPS, more, 2);
  const ridge = shell.button("Onto the ridge", () => place(startOf()[0], 0));
  const seed = shell.button("Another seed", () => state.set({ seed: (state.seed % 99) + 1 }));
  shell.resetButton(running.stop);

  function use({ row, input }, wanted) {
    input.disabled = !wanted;
    row.classList.toggle("ex-idle", !wanted);
  }

  function draw() {
    const { t } = state;
    const { xs, ys, target, name: groundName } = GROUNDS[state.ground];
    const landscape = landscapeOf(state.ground);
    const start = startOf();
    const rates = ratesNow();
    rows.forEach((row, k) => use(row, isRunning(RACERS[k][0])));
    use(batch, state.ground === "line");
    seed.hidden = state.ground !== "line";
    ridge.hidden = state.ground !== "saddle";

    map.frame(xs, ys);
    map.heat(state.ground, () => shades(landscape, xs, ys, CELLS, CELLS, 1e-4), CELLS, CELLS, xs, ys, {
      opacity: 0.45,
    });
    const limits = [target / 20, Math.max(2 * landscape.value(start), 10 * target)];
    const cells = [];
    const gone = [];
    const arrived = [];
    const racing = RACERS.filter(([id]) => isRunning(id)).map((racer) => {
      const whole = race(racer[0], landscape, start, rates[racer[0]], state.seed, state.batch, x.length);
      const needed = whole.diverged ? Infinity : stepsNeeded(whole.losses, target);
      // Whoever has arrived for good stops; so does whoever has left all bounds.
      return { racer, whole, needed, steps: Math.min(t, needed, whole.losses.length - 1) };
    });
    curve.frame([0, Math.max(30, ...racing.map(({ steps }) => steps))], limits);
    curve.line([[0, target], [STEPS, target]], { stroke: "var(--ex-muted)", "stroke-width": 1 });
    for (const { racer, whole, needed, steps } of racing) {
      const [id, name, , stroke, dash, kept] = racer;
      const points = whole.path.slice(0, steps + 1);
      const losses = whole.losses.slice(0, steps + 1);
      const look = { stroke, "stroke-dasharray": dash };
      map.line(points, look);
      map.dots([points.at(-1)], 9, { stroke });
      curve.line(losses.map((loss, k) => [k, loss]), look);
      const lost = whole.diverged && steps === whole.losses.length - 1;
      const home = needed <= t;
      if (home) arrived.push([needed, name]);
      const each = id === "stochastic" ? state.batch : state.ground === "line" ? x.length : 1;
      const mark = (sign, name) => html("span", { role: "img", "aria-label": name }, ` ${sign}`);
      const end = lost ? [mark("✕", "diverged")] : home ? [mark("✓", "arrived")] : [];
      const swatch = html("span", { class: "ex-swatch", style: `--ex-color:${stroke}` });
      cells.push(
        html(
          "tr",
          {},
          html("th", { scope: "row", class: "ex-named" }, swatch, name, html("small", {}, kept)),
          html("td", {}, show(rates[id])),
          html("td", {}, String(home ? needed : steps), ...end),
          html("td", {}, (steps * each).toLocaleString("en-US")),
          html("td", {}, lost ? "too large" : show(losses.at(-1))),
        ),
      );
      if (lost) gone.push(name);
    }
    handle.place(...start, `${show(start[0])}, ${show(start[1])}`);
    const counted = state.ground === "line" ? "points looked at" : "gradients";
    table.replaceChildren(
      html("caption", { class: "visually-hidden" }, "How far every optimizer has come"),
      html("tr", {}, html("td"), ...["rate", "steps", counted, "loss"].map((text) => html("th", { scope: "col" }, text))),
      ...cells,
    );
    arrived.sort(([a], [b]) => a - b);
    const order = arrived.map(([steps, name]) => `${name} (${steps})`).join(", ");
    const how = state.rates === "best" ? "each at the best of 101 rates" : "at the rates you have set";
    const end = order ? `Arrived, after so many steps: ${order}.` : `Nobody has arrived yet: the goal is a loss of at most ${target} that stays so until step ${STEPS}.`;
    const out = gone.length ? ` Diverged: ${gone.join(", ")}.` : "";
    const all = arrived.length + gone.length === racing.length ? "" : " The others have not made it.";
    const rest = more() ? "" : `${all} The race is over: go back to the start for another.`;
    return (
      `${groundName[0].toUpperCase()}${groundName.slice(1)}, step ${t} of ${STEPS}, ${how}. ${end}${out}${rest}` +
      (state.ground === "line" ? "" : " (Stochastic descent needs data to draw from: choose the line.)")
    );
  }
}

export default { render };
