// A ball with two sliders: rate and momentum on a ravine, and the plane of both.

import { beside, plural, show } from "./base.js";
import { ball } from "./ball.js";
import { bestSetting, contour, leaves, motion, stepsForTenth } from "./heavy-ball.js";
import { CURVATURE, ravine } from "./landscapes.js";

const [RATES, MOMENTA] = [[0, 0.45], [0, 1]];
const [COLUMNS, ROWS] = [90, 80];

// Contours of the plane, by the steps for a tenth.
const CONTOURS = [20, 50, 100, 200];

const curvaturesOf = (condition) => [CURVATURE / condition, CURVATURE];

const PHRASES = {
  monotone: "comes down without ringing",
  ringing: "rings",
  zigzagging: "changes sides at every step",
  diverging: "flies out",
};

function render({ model, el }) {
  ball({
    el,
    name: "momentum",
    rule: "momentum",
    start: model.get("start"),
    letters: 360,
    specification: {
      rate: { initial: 0.02, low: 0.001, high: RATES[1], label: "rate" },
      momentum: { initial: 0.9, low: 0, high: 0.99, label: "momentum" },
      condition: { initial: 100, low: 1, high: 10000, label: "condition number" },
    },
    numbers: ["rate", "momentum"],
    plane: {
      x: "learning rate α",
      y: "momentum μ",
      title: "Every rate with every momentum",
      label: "The plane of rate and momentum. Dark is fast; without color the ball diverges.",
      dot: "Learning rate and momentum",
      from: Number,
      to: Number,
    },
    landscape: ({ condition }) => ({ ...ravine(condition), name: condition }),
    settings: ({ rate, momentum }) => ({ rate, momentum }),
    controls: (shell, state) => {
      shell.slider("rate", "Learning rate α", { step: 0.001 });
      shell.slider("momentum", "Momentum μ", { step: 0.01 });
      shell.slider("condition", "Condition number", { log: true });
      shell.button("Without momentum", () => state.set({ momentum: 0 }));
      shell.button("The best for this ravine", () => {
        const { rate, momentum } = bestSetting(curvaturesOf(state.condition));
        state.set({ rate: Math.min(rate, RATES[1]), momentum: Math.min(momentum, 0.99) });
      });
    },
    paint,
    words,
  });

  function paint(plane, { condition }) {
    const curvatures = curvaturesOf(condition);
    const [along, across] = curvatures;
    plane.frame(RATES, MOMENTA);
    const values = () =>
      Float64Array.from({ length: COLUMNS * ROWS }, (_, i) => {
        const rate = (RATES[1] * ((i % COLUMNS) + 0.5)) / COLUMNS;
        const left = leaves(rate, (Math.floor(i / COLUMNS) + 0.5) / ROWS, curvatures);
        return left < 1 ? Math.log(Math.max(1, stepsForTenth(left))) / Math.log(1000) : NaN;
      });
    plane.heat(`${condition}`, values, COLUMNS, ROWS, RATES, MOMENTA);
    for (const steps of CONTOURS) {
      const line = contour(10 ** (-1 / steps), curvatures);
      plane.line(line, { stroke: "#fefefe", "stroke-width": 1.2 });
      if (!line.length) continue;
      const [x, y] = [0, 1].map((i) => (line[0][i] + line[1][i]) / 2);
      if (x < RATES[1] - 0.05 && y < 0.88) plane.text(x, y, String(steps), { class: "ex-note ex-on-map" });
    }
    // Where ringing begins along the ravine, and where it ends across it, on the map.
    const edge = (rateAt) =>
      plane.line(
        Array.from({ length: 101 }, (_, i) => [rateAt(Math.sqrt(i / 100)), i / 100]).filter(
          ([rate, momentum]) => leaves(rate, momentum, curvatures) < 1,
        ),
        { stroke: "#1f2328", "stroke-width": 1.8, "stroke-dasharray": "2 4" },
      );
    edge((root) => (1 - root) ** 2 / along);
    edge((root) => (1 - root) ** 2 / across);
    edge((root) => (1 + root) ** 2 / across);
    const named = [
      [0.2, 0.93, "ringing both ways", "ringing", "ringing"],
      [0.09, 0.33, "ringing across", "monotone", "ringing"],
      [0.008, 0.03, "monotone", "monotone", "monotone"],
      [0.14, 0.06, "zigzag", "monotone", "zigzagging"],
    ];
    for (const [rate, momentum, text, u, v] of named) {
      if (motion(rate, momentum, along).name === u && motion(rate, momentum, across).name === v) {
        plane.text(rate, momentum, text, { class: "ex-note ex-on-map" });
      }
    }
    plane.text(0.33, 0.12, "diverging");
  }

  function words({ rate, momentum, condition }, { losses, diverged, steps }) {
    const curvatures = curvaturesOf(condition);
    const [u, v] = curvatures.map((c) => motion(rate, momentum, c));
    const left = Math.max(u.left, v.left);
    const tenth = (share) => plural(Math.ceil(stepsForTenth(share)), "step");
    const percent = (share) => `${beside(100 * share, 100)} %`;
    const top = bestSetting(curvatures);
    const lowest = leaves(top.rate, top.momentum, curvatures);
    const here = `rate ${show(rate)}, momentum ${show(momentum)}`;
    const ways =
      u.name === v.name
        ? `The ball ${PHRASES[u.name]}, across the ravine and along it`
        : `Across the ravine the ball ${PHRASES[v.name]}, along it it ${PHRASES[u.name]}`;
    const end = diverged
      ? `After ${plural(losses.length - 1, "step")} the numbers had left all bounds.`
      : `After ${plural(steps, "step")} the loss is ${show(losses[steps])}.`;
    const speed =
      left < 1
        ? `In the end each step leaves ${percent(left)} of the distance: a tenth of it is left after ${tenth(left)}.`
        : "In the end each step takes it farther away.";
    return {
      place: `${here}: ${u.name} along, ${v.name} across`,
      sentence:
        `${here[0].toUpperCase()}${here.slice(1)}. ${ways}. ${speed} ${end} ` +
        `No setting does better on this ravine than ${percent(lowest)}, ${tenth(lowest)}, at rate ${show(top.rate)} and momentum ${show(top.momentum)}.`,
    };
  }
}

export default { render };
