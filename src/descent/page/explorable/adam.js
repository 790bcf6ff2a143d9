// Adam's betas: two lengths of memory, and how soon the ball arrives with each pair.

import { plural, show } from "./base.js";
import { SHOWN, ball } from "./ball.js";
import { surface } from "./landscapes.js";
import { DEFAULTS, RULES, stepsNeeded } from "./rules.js";

const [TARGET, STEPS] = [0.01, 300];
const [FIRST, SECOND] = [[1, 100], [1, 3000]];
const CELLS = 20;

const memory = (beta) => 1 / (1 - beta);
const beta = (steps) => 1 - 1 / steps;

// After how many steps the loss stays at or below the target until the last, or Infinity.
export function arrival(landscape, start, settings, target = TARGET, steps = STEPS) {
  const theta = [...start];
  const step = RULES.adam(theta, { ...DEFAULTS, ...settings });
  const losses = [landscape.value(theta)];
  for (let t = 0; t < steps; t += 1) {
    step(landscape.gradient(theta));
    losses.push(landscape.value(theta));
  }
  return stepsNeeded(losses, target);
}

function render({ model, el }) {
  const ground = { ...surface("ravine"), name: "ravine" };
  // While the start is being dragged the plane stays: it takes a moment.
  let known = { needed: [] };
  function needed({ rate, u, v }, held) {
    const key = [rate, u, v].join(" ");
    if (known.key === key || (held && known.key)) return known;
    const center = ([low, high], i) => low * (high / low) ** ((i + 0.5) / CELLS);
    const pairs = Array.from({ length: CELLS * CELLS }, (_, i) => ({
      beta1: beta(center(FIRST, i % CELLS)),
      beta2: beta(center(SECOND, Math.floor(i / CELLS))),
    }));
    known = { key, needed: pairs.map((pair) => arrival(ground, [u, v], { rate, ...pair })) };
    return known;
  }

  ball({
    el,
    name: "adam",
    rule: "adam",
    start: model.get("start"),
    letters: 290,
    specification: {
      rate: { initial: 0.2, low: 0.01, high: 1, label: "rate" },
      beta1: { initial: 0.9, low: 0, high: 0.99, label: "β₁" },
      beta2: { initial: 0.999, low: 0, high: 0.9996, label: "β₂" },
    },
    numbers: ["beta1", "beta2"],
    plane: {
      x: "direction: 1/(1 − β₁)",
      y: "size: 1/(1 − β₂)",
      title: "The two memories, in steps",
      label: "The plane of both memories. Dark pairs arrive soon; those without color not within 300 steps.",
      logX: true,
      logY: true,
      dot: "Adam’s two memories",
      from: beta,
      to: memory,
    },
    landscape: () => ground,
    settings: ({ rate, beta1, beta2 }) => ({ rate, beta1, beta2 }),
    controls: (shell, state) => {
      const places = [(value) => Math.log10(memory(value)), (at) => Number(beta(10 ** at).toPrecision(4))];
      shell.slider("rate", "Learning rate α", { log: true });
      shell.slider("beta1", "β₁, for the direction", { scale: places, step: 0.05 });
      shell.slider("beta2", "β₂, for the size", { scale: places, step: 0.05, format: (value) => show(value, 4) });
      shell.button("PyTorch’s βs", () => state.set({ beta1: 0.9, beta2: 0.999 }));
    },
    paint: (plane, state, held) => {
      plane.frame(FIRST, SECOND);
      const { key, needed: cells } = needed(state, held);
      const values = () => cells.map((steps) => (steps === Infinity ? NaN : Math.log(Math.max(1, steps) / 10) / Math.log(STEPS / 10)));
      plane.heat(key, values, CELLS, CELLS, FIRST, SECOND, { class: "ex-cells" });
      // On its own ground, since the colors are the same on light and dark pages.
      const equal = FIRST.map((both) => [both, both]);
      plane.line(equal, { stroke: "var(--ex-ground)", "stroke-width": 2.5 });
      plane.line(equal, { stroke: "var(--ex-ink)", "stroke-width": 1.5, "stroke-dasharray": "3 3" });
    },
    words: ({ rate, beta1, beta2, u, v }, { losses, steps }) => {
      const mine = arrival(ground, [u, v], { rate, beta1, beta2 });
      const fit = known.needed.filter(Number.isFinite);
      const lengths = `direction ${show(memory(beta1))}, size ${show(memory(beta2))}`;
      return {
        place: `β₁ = ${show(beta1)}, β₂ = ${show(beta2, 4)}: memory of the ${lengths} steps`,
        sentence:
          `At rate ${show(rate)}, with β₁ = ${show(beta1)} and β₂ = ${show(beta2, 4)}, the steps remembered are: ${lengths}. ` +
          `The loss ${mine === Infinity ? `is not down to ${TARGET} for good within ${STEPS} steps` : `is down to ${TARGET} for good after ${plural(mine, "step")}`}; ` +
          `after ${steps} of the ${SHOWN} that are drawn it is ${show(losses[steps])}. ` +
          (fit.length
            ? `Of the ${known.needed.length} pairs in the plane ${fit.length} arrive, the fastest after ${plural(Math.min(...fit), "step")}.`
            : `No pair in the plane arrives.`),
      };
    },
  });
}

export default { render };
