// Clip it: recorded gradient norms, a fixed threshold and AutoClip side by side.

import { Plot, Shell, State, html, show } from "./base.js";
import { autoclip, clipped, share, unguarded } from "./percentile.js";

function render({ model, el }) {
  const recorded = model.get("norms");
  const steps = recorded.length;
  const finite = recorded.filter((norm) => Number.isFinite(norm) && norm > 0);
  const [least, most] = [Math.min(...finite), Math.max(...finite)];
  const state = new State("clip", {
    threshold: {
      initial: model.get("threshold") ?? 1,
      low: least / 2,
      high: most * 2,
      label: "threshold",
    },
    p: { initial: 10, low: 0, high: 100, label: "percentile" },
    window: { initial: steps, low: 1, high: steps, whole: true, label: "window" },
    step: { initial: Math.round(steps / 2), low: 0, high: steps - 1, whole: true, label: "step" },
    spike: { initial: 1, low: 1, high: 10000, label: "factor of the spike" },
    nan: { initial: false },
    guard: { initial: true },
  });
  const shell = new Shell(el, state, draw, 470);
  shell.plots.classList.add("ex-two");
  const plots = [0, 1].map(
    () => new Plot(shell.plots, { x: "step", y: "gradient norm", logY: true, height: 280 }),
  );
  plots[0].picture.setAttribute("aria-label", "Norms by step under a fixed threshold.");
  plots[1].picture.setAttribute("aria-label", "Norms by step under AutoClip.");
  for (const plot of plots) {
    plot.onPoint((x) => state.set({ step: x }));
  }
  shell.slider("threshold", "Fixed threshold", { log: true });
  shell.slider("p", "AutoClip’s percentile p", { step: 1 });
  shell.slider("window", "Window", {
    format: (value) => (value >= steps ? "all so far" : `${show(value)} latest`),
  });
  shell.slider("step", "Look at step", { format: String });
  shell.slider("spike", "Spike there", {
    log: true,
    format: (value) => (value === 1 ? "none" : `× ${show(value)}`),
  });
  const checks = html("div", {});
  shell.controls.append(checks);
  shell.check("nan", "A NaN at this step", { into: checks });
  const guard = shell.check("guard", "AutoClip keeps it out of its history", { into: checks });
  const table = html("table", { class: "ex-table" });
  shell.plots.after(table);
  shell.resetButton();

  function row(name, values) {
    const [first, ...cells] = values.map(String);
    return html("tr", {}, html("th", { scope: "row" }, name), html("td", {}, first), ...cells.map((c) => html("td", {}, c)));
  }

  function draw() {
    const { threshold, p, window, step, spike, nan } = state;
    guard.row.style.visibility = nan ? "" : "hidden";
    const norms = recorded.map((norm, t) => {
      if (t !== step) return norm;
      return nan ? NaN : norm * spike;
    });
    const span = window >= steps ? Infinity : window;
    const moving = (state.guard ? autoclip : unguarded)(norms, p, span);
    const fixed = norms.map(() => threshold);
    const high = norms.reduce((a, b) => (b > a ? b : a), most);
    const limits = [
      Math.min(least, threshold) / 1.3,
      Math.max(high, threshold) * 1.5,
    ];
    [
      ["Fixed threshold", fixed, threshold],
      [`AutoClip, p = ${show(p)}`, moving, moving[step]],
    ].forEach(([title, thresholds, here], k) => {
      const plot = plots[k];
      plot.frame([0, steps - 1], limits, { title });
      const cut = norms.map((norm, t) => norm > thresholds[t]);
      const before = norms.map((norm, t) => [t, norm]);
      plot.dots(before.filter((_, t) => cut[t]), 2.6, { stroke: "var(--ex-muted)", opacity: 0.55 });
      // Where the threshold is no number the step is lost.
      const lost = thresholds.map((tau) => Number.isNaN(tau));
      plot.dots(before.filter((_, t) => !cut[t] && !lost[t]), 4, { stroke: "var(--ex-blue)" });
      plot.crosses(before.filter((_, t) => lost[t]), 2.5, { stroke: "var(--ex-muted)", "stroke-width": 1, opacity: 0.7 });
      plot.line(thresholds.map((tau, t) => [t, tau]), { stroke: "var(--ex-orange)" });
      plot.line([[step, limits[0]], [step, limits[1]]], {
        stroke: "var(--ex-ink)",
        "stroke-width": 1,
        "stroke-dasharray": "3 3",
      });
      const after = clipped(norms[step], here);
      if (after !== norms[step]) {
        plot.arrow([step, norms[step]], [step, after], { stroke: "var(--ex-ink)" });
      }
      plot.dots([[step, norms[step]]], 9, { stroke: "var(--ex-ink)" });
    });
    const outcome = (tau, kept) => {
      if (Number.isNaN(norms[step])) return kept ? "left out" : "not a number";
      if (Number.isNaN(tau)) return "not a number";
      const after = clipped(norms[step], tau);
      return after === norms[step] ? "as it is" : `×\u00a0${show(after / norms[step])}`;
    };
    const [a, b] = [outcome(threshold, true), outcome(moving[step], state.guard)];
    const poisoned = moving.some((tau, t) => Number.isNaN(tau) && t !== step);
    const shares = [share(norms, fixed), share(norms, moving)];
    table.replaceChildren(
      html("caption", { class: "visually-hidden" }, "What each way of clipping does"),
      html("tr", {}, html("td"), html("th", { scope: "col" }, "fixed"), html("th", { scope: "col" }, "AutoClip")),
      row(`threshold at step ${step}`, [show(threshold), show(moving[step])]),
      row("what its gradient becomes", [a, b]),
      row("steps clipped", shares.map((value) => `${show(value)} %`)),
    );
    const norm = Number.isNaN(norms[step]) ? "is not a number" : `has a norm of ${show(norms[step])}`;
    const words = (what) =>
      ({ "as it is": "leaves it as it is", "left out": "leaves the step out", "not a number": "makes the step not a number" })[what] ??
      `shortens it to ${what.slice(2)} of its length`;
    const guards = nan ? " The fixed threshold is the book’s ClipNorm here: PyTorch’s clip_grad_norm_ by itself lets a NaN through." : "";
    return (
      `The gradient of step ${step} ${norm}. The fixed threshold ${words(a)}, AutoClip ${words(b)}.${guards} ` +
      `Of the steps that are taken the fixed threshold clips ${show(shares[0])} %, AutoClip ${show(shares[1])} %.` +
      (poisoned
        ? " The NaN has got into AutoClip’s history: no percentile of it is a number any more, and every later step is lost" +
          (span === Infinity ? "." : " until the NaN has left the window.")
        : "")
    );
  }
}

export default { render };
