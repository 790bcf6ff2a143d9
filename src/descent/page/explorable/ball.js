// What the figures of momentum and of Adam share: a ball on the ravine, and beside it the
// plane of the two numbers that steer it.

import { Plot, Shell, State, clamp, shades, show } from "./base.js";
import { run } from "./rules.js";

export const SHOWN = 100;
const [US, VS] = [[-10, 4], [-1.5, 1.5]];
const CELLS = 64;

// `numbers` are the plane's two keys; `landscape` and `settings` are functions of the
// state; `controls(shell)` adds sliders; `paint(plane, held)` draws the plane's ground;
// `words` returns how the run is put into words and how the dot is.
export function ball({ el, name, rule, start, letters, specification, numbers, plane: axes, landscape, settings, controls, paint, words }) {
  const state = new State(name, {
    ...specification,
    u: { initial: start[0], low: US[0], high: US[1], label: "start" },
    v: { initial: start[1], low: VS[0], high: VS[1], label: "start" },
    t: { initial: SHOWN, low: 0, high: SHOWN, whole: true, label: "number of steps" },
  });
  const shell = new Shell(el, state, draw, letters);
  shell.plots.classList.add("ex-two");
  const map = new Plot(shell.plots, {
    x: "u",
    y: "v",
    title: "The ball on the ravine",
    label: "The loss as colors, dark is low, with the path of the ball.",
    height: 330,
  });
  const plane = new Plot(shell.plots, { height: 330, ...axes });
  let held = false;
  const hold = { end: () => ((held = false), shell.refresh()) };
  const begin = map.handle({
    label: "Where the ball starts",
    move: (u, v) => ((held = true), state.set({ u, v })),
    ...hold,
  });
  map.onPoint((u, v) => state.set({ u, v }));
  const choose = (...place) =>
    state.set(
      Object.fromEntries(
        numbers.map((key, i) => {
          const { low, high } = specification[key];
          return [key, clamp(axes.from(place[i]), low, high)];
        }),
      ),
    );
  const dot = plane.handle({ label: axes.dot, move: choose });
  plane.onPoint(choose);
  controls(shell, state);
  const rolling = shell.runButton(
    "Roll",
    () => {
      state.set({ t: state.t < SHOWN ? state.t + 1 : 0 });
      return state.t < SHOWN;
    },
    () => state.set({ t: SHOWN }),
    60,
  );
  shell.resetButton(rolling.stop);

  function draw() {
    const ground = landscape(state);
    const { path, losses, diverged } = run(rule, ground, [state.u, state.v], settings(state), SHOWN);
    const shown = path.slice(0, state.t + 1);
    map.frame(US, VS);
    map.heat(`${ground.name}`, () => shades(ground, US, VS, CELLS, CELLS), CELLS, CELLS, US, VS, { opacity: 0.45 });
    map.line(shown, { stroke: "var(--ex-ink)", "stroke-width": 1.2 });
    map.dots(shown, 4.5, { stroke: "var(--ex-ink)" });
    map.dots([shown.at(-1)], 13, { stroke: "var(--ex-orange)" });
    begin.place(state.u, state.v, `u = ${show(state.u)}, v = ${show(state.v)}`);

    paint(plane, state, held);
    const { sentence, place } = words(state, { losses, diverged, steps: shown.length - 1 });
    dot.place(...numbers.map((key) => axes.to(state[key])), place);
    return sentence;
  }
}
