// Health clinic: recorded runs to diagnose from their loss and gradient norm.

import { Plot, Shell, State, html, show, wantsLessMotion } from "./base.js";

// What each run has, how to see it, and what helps.
export const CASES = {
  healthy: {
    sign: "both losses fall side by side, and the norm falls with them",
    remedy: "Leave it alone. It may train on until the validation loss turns.",
  },
  "rate too high": {
    sign: "the loss swings up again and again, and the norm does not fall",
    remedy: "Divide the learning rate by three or by ten, and start again.",
  },
  "rate too low": {
    sign: "everything moves the right way, but hardly gets anywhere",
    remedy: "Multiply the learning rate by ten, and compare after as many steps.",
  },
  "bad batches": {
    sign: "single steps stand out, in the loss and in the norm at once",
    remedy: "Look at the data of those steps. Clip the gradients, so that one batch cannot undo many.",
  },
  "dead units": {
    sign: "the loss stays where it is, and the norm is next to nothing",
    remedy: "Start from other weights: smaller biases, another initialization, units that never go quite flat.",
  },
  "not a number": {
    sign: "both curves break off at one step and never come back",
    remedy:
      "Find the step, and what was not a number in its data. Check every loss and norm before the step, and skip the step if one is not finite.",
  },
  overfitting: {
    sign: "the validation loss turns up while the training loss falls on",
    remedy: "Stop at the turn, or get more data, or take a smaller network.",
  },
};

function render({ model, el }) {
  const runs = model.get("runs");
  const names = Object.keys(CASES);
  const state = new State("clinic", {
    run: { initial: 1, low: 1, high: runs.length, whole: true, label: "patient" },
    guess: { initial: "none", choices: ["none", ...names], label: "diagnosis" },
    // Who has been diagnosed, and who not at the first try: a bit for each patient.
    cured: { initial: 0, low: 0, high: 2 ** runs.length - 1, whole: true, label: "list of the diagnosed" },
    missed: { initial: 0, low: 0, high: 2 ** runs.length - 1, whole: true, label: "list of the missed" },
    log: { initial: true },
  });
  const shell = new Shell(el, state, draw, 410);
  shell.plots.classList.add("ex-two");
  const losses = new Plot(shell.plots, {
    x: "step",
    y: "mean squared error",
    title: "Loss",
    label: "Training loss (solid) and validation loss (dashed) by step.",
    logY: true,
  });
  const norms = new Plot(shell.plots, {
    x: "step",
    y: "gradient norm",
    title: "Gradient norm",
    label: "The gradient norm by step.",
    logY: true,
  });
  shell.choice("run", "Patient", runs.map((_, i) => [String(i + 1), `Patient ${i + 1}`]));
  shell.controls.querySelector("select").addEventListener("change", () => state.set({ guess: "none" }));
  shell.check("log", "Logarithmic axes");
  const group = html("div", { class: "ex-buttons", role: "group", "aria-label": "Diagnosis" });
  shell.buttons.before(group, shell.output);
  const buttons = names.map((name) => shell.button(name, () => diagnose(name), { into: group }));
  function diagnose(guess) {
    const { run, cured, missed } = state;
    const bit = 1 << (run - 1);
    if (guess === runs[run - 1].diagnosis) state.set({ guess, cured: cured | bit });
    else state.set({ guess, missed: cured & bit ? missed : missed | bit });
    // On a phone the picture leaves little room: who asks is shown the answer.
    shell.output.scrollIntoView({ block: "nearest", behavior: wantsLessMotion() ? "auto" : "smooth" });
  }
  const turn = (by) => state.set({ run: ((state.run - 1 + by + runs.length) % runs.length) + 1, guess: "none" });
  shell.button("Previous patient", () => turn(-1));
  shell.button("Next patient", () => turn(1));
  shell.resetButton();

  const number = (value) => (value === null ? NaN : value);
  function plot(plot, columns, low) {
    const values = columns.flatMap(([column]) => column).filter((v) => v > 0 && Number.isFinite(v));
    plot.logY = state.log;
    const top = Math.max(...values);
    const limits = state.log ? [Math.max(low, Math.min(...values)) / 1.4, top * 1.6] : [0, top * 1.08];
    plot.frame([0, columns[0][0].length - 1], limits);
    for (const [column, look] of columns) {
      plot.line(column.map((value, t) => [t, Math.max(value, limits[0])]), look);
    }
  }

  // What can be read off the curves, for those who cannot see them.
  function reading({ training, validation, norm }) {
    const [t, v, g] = [training, validation, norm].map((column) => column.map(number));
    const at = (column) =>
      [0, 50, 100, 150, 199]
        .map((step) => (Number.isFinite(column[step]) ? show(column[step], 2) : "no number"))
        .join(", ");
    return `At steps 0, 50, 100, 150 and 199: training loss ${at(t)}; validation loss ${at(v)}; gradient norm ${at(g)}.`;
  }

  function draw() {
    const run = runs[state.run - 1];
    const [training, validation, norm] = [run.training, run.validation, run.norm].map((column) => column.map(number));
    plot(losses, [
      [training, { stroke: "var(--ex-blue)" }],
      [validation, { stroke: "var(--ex-orange)", "stroke-dasharray": "6 4" }],
    ], 1e-3);
    const { left, top } = losses.inner;
    losses.notes.append(legend(left + 90, top - 10, "var(--ex-blue)", "none", "training"));
    losses.notes.append(legend(left + 185, top - 10, "var(--ex-orange)", "6 4", "validation"));
    plot(norms, [[norm, { stroke: "var(--ex-blue)" }]], 1e-5);
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(names[i] === state.guess)));

    const { guess } = state;
    const spikes = reading(run);
    const bits = (set) => runs.filter((_, i) => set & (1 << i)).length;
    const [cured, first] = [bits(state.cured), bits(state.cured & ~state.missed)];
    const score =
      cured === 0
        ? ""
        : cured < runs.length
          ? ` So far ${cured} of ${runs.length} diagnosed, ${first} at the first try.`
          : ` That was the last: all ${runs.length} are diagnosed, ${first} at the first try. Reset begins anew.`;
    if (guess === "none") return `Patient ${state.run}: what does it have? ${spikes}${score}`;
    const right = run.diagnosis;
    if (guess !== right) {
      return `Not “${guess}”: that would look like this: ${CASES[guess].sign}. Look again. ${spikes}${score}`;
    }
    return `Right, ${right}: ${CASES[right].sign}. What helps: ${CASES[right].remedy}${score}`;
  }
}

function legend(x, y, stroke, dash, text) {
  const group = document.createElementNS("http://www.w3.org/2000/svg", "g");
  group.innerHTML =
    `<line x1="${x - 30}" x2="${x - 6}" y1="${y - 4}" y2="${y - 4}" stroke="${stroke}" stroke-width="2" stroke-dasharray="${dash}"/>` +
    `<text x="${x}" y="${y}" class="ex-note">${text}</text>`;
  return group;
}

export default { render };
