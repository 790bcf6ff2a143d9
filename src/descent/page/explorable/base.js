// What all explorables share: elements, state in the address, controls, and plots
// with axes, drawn as SVG in colors of the style sheet.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const html = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);

export const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

// A whole number as an exponent.
export const raised = (power) =>
  String(power).replace(/./g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? "⁻");

// A number for a reader: three digits, or as many as asked for.
export function show(value, digits = 3) {
  if (Number.isNaN(value)) return "not a number";
  if (!Number.isFinite(value)) return value > 0 ? "infinity" : "minus infinity";
  const size = Math.abs(value);
  let text;
  if (size !== 0 && (size >= 1e5 || size < 1e-4)) {
    const [front, power] = value.toExponential(digits - 1).split("e");
    text = `${Number(front)}\u00a0×\u00a010${raised(Number(power))}`;
  } else if (size >= 10 ** (digits - 1)) text = Math.round(value).toLocaleString("en-US");
  else text = String(Number(value.toPrecision(digits)));
  return text.replace(/-/g, "−");
}

// A number for a reader that is not rounded to a bound where another name begins: a
// factor that is nearly 1 is not shown as 1.
export function beside(value, ...bounds) {
  let digits = 3;
  while (digits < 15 && bounds.some((bound) => value !== bound && show(value, digits) === show(bound))) digits += 1;
  return show(value, digits);
}

// So many of something.
export const plural = (number, noun) => `${number.toLocaleString("en-US")} ${noun}${number === 1 ? "" : "s"}`;

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

export const wantsLessMotion = () =>
  matchMedia("(prefers-reduced-motion: reduce)").matches;

// --- State -----------------------------------------------------------------------

// Whether the state stands in the page's address.
export const keeps = { address: true };

// Values with limits, kept in the page's address as `?name.key=value` unless they are
// the initial ones. A specification is {initial, low, high, whole} for a number,
// {initial, choices} for a word, {initial: true or false} for a switch.
export class State {
  constructor(name, specification) {
    this.name = name;
    this.specification = specification;
    this.listener = () => {};
    this.read();
    if (!keeps.address) return;
    addEventListener("popstate", () => {
      clearTimeout(this.due);
      this.due = undefined;
      this.read();
      this.listener();
    });
  }

  initial(key) {
    return this.specification[key].initial;
  }

  // Take a value for a key; say what was wrong with it, if anything was.
  take(key, raw) {
    const { initial, low, high, whole, choices, label = key } = this.specification[key];
    if (typeof initial === "boolean") {
      this[key] = raw === true || raw === "1" || raw === "true";
      return null;
    }
    if (choices) {
      const known = choices.includes(raw);
      this[key] = known ? raw : initial;
      return known ? null : `“${raw}” is no ${label}; it is ${initial}.`;
    }
    const number = typeof raw === "string" && !raw.trim() ? NaN : Number(raw);
    if (Number.isNaN(number)) {
      this[key] = initial;
      return `“${raw}” is no number for ${label}; it is ${show(initial)}.`;
    }
    const inside = clamp(whole ? Math.round(number) : number, low, high);
    this[key] = inside;
    if (number >= low && number <= high) return null;
    const side = number < low ? "below" : "above";
    return `${show(number)} for ${label} is ${side} what this figure shows; it is ${show(inside)}.`;
  }

  read() {
    const asked = new URLSearchParams(keeps.address ? location.search : "");
    const said = Object.keys(this.specification).map((key) => {
      const raw = asked.get(`${this.name}.${key}`);
      return this.take(key, raw === null ? this.initial(key) : raw);
    });
    this.note = said.filter(Boolean).join(" ");
  }

  // By hand: what goes too far stops at the end, and needs no word.
  set(changes) {
    for (const [key, value] of Object.entries(changes)) this.take(key, value);
    this.note = "";
    this.write();
    this.listener();
  }

  reset() {
    for (const key of Object.keys(this.specification)) this[key] = this.initial(key);
    this.note = "";
    this.write();
    this.listener();
  }

  // An address with the state in it.
  address(url) {
    for (const key of Object.keys(this.specification)) {
      const [name, value] = [`${this.name}.${key}`, this[key]];
      if (value === this.initial(key)) url.searchParams.delete(name);
      else if (typeof value === "boolean") url.searchParams.set(name, value ? "1" : "0");
      // All digits: a run that rattles about a kink depends on the last of them.
      else url.searchParams.set(name, value);
    }
    return url;
  }

  // Browsers allow an address to change only so often.
  write() {
    if (!keeps.address) return;
    this.due ??= setTimeout(() => {
      this.due = undefined;
      const url = this.address(new URL(location.href));
      try {
        if (url.href !== location.href) history.replaceState(history.state, "", url);
      } catch {
        // A page from the disk has no address of its own.
      }
    }, 300);
  }
}

// --- The shell -------------------------------------------------------------------

// Several copies of this module can be in one page: a notebook has one a cell.
const unique = (word) => `${word}-${Math.random().toString(36).slice(2)}`;

// The frame around one explorable: controls, plots, buttons, and what it says, for
// which there is room for so many letters: what stands below never jumps.
export class Shell {
  constructor(el, state, draw, letters) {
    Object.assign(this, { box: el, state, letters });
    this.id = unique("explorable");
    this.controls = html("div", { class: "ex-controls" });
    this.plots = html("div", { class: "ex-plots" });
    this.buttons = html("div", { class: "ex-buttons" });
    this.output = html("output", { class: "ex-say", "aria-live": "polite" });
    this.bound = [];
    this.draw = draw;
    el.append(this.plots, this.controls, this.buttons, this.output);
    if (keeps.address) this.embed(el);
    state.listener = () => this.refresh();
    new ResizeObserver(() => {
      if (this.plots.clientWidth !== this.drawn) this.refresh();
    }).observe(this.plots);
  }

  // Draw soon: once for many changes.
  refresh() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = undefined;
      this.now();
    });
  }

  now() {
    const resized = this.drawn !== this.plots.clientWidth;
    if (resized) {
      this.drawn = this.plots.clientWidth;
      this.controls.dataset.count = this.controls.childElementCount;
      this.reserve();
    }
    for (const update of this.bound) update();
    let said;
    try {
      said = this.draw();
    } catch (error) {
      said = `Something went wrong here (${error.message}). Reset brings the figure back.`;
    }
    this.say([this.state.note, said].filter(Boolean).join(" "));
    // Where the plots stay in sight, nothing is scrolled to below them.
    if (resized) this.box.style.setProperty("--ex-above", `${this.plots.offsetHeight}px`);
  }

  // Letters of a text, in their usual mixture.
  reserve() {
    const mixture = "After so many steps the loss is 0.123, at m = 1.76 and b = 0.407. ";
    this.output.style.minHeight = "";
    this.output.textContent = mixture.repeat(this.letters / mixture.length + 1).slice(0, this.letters);
    this.output.style.minHeight = `${Math.ceil(this.output.getBoundingClientRect().height)}px`;
  }

  // The address that shows the figure alone, on a slide for example.
  embed(el) {
    const id = `${this.id}-embed`;
    const address = html("input", { id, readonly: "" });
    const alone = html("a", {}, "Open it alone");
    const copy = html("button", { type: "button" }, "Copy");
    copy.addEventListener("click", () => {
      const done = (copied) => {
        address.select();
        copy.textContent = copied ? "Copied" : "Selected: copy it";
      };
      const writing = navigator.clipboard?.writeText(address.value);
      if (writing) writing.then(() => done(true), () => done(false));
      else done(false);
    });
    const figure = el.closest("[id]:not(.explorable)")?.id;
    const details = html(
      "details",
      { class: "ex-embed" },
      html("summary", {}, "Embed"),
      html("label", { for: id }, "This figure alone, as it is set now (for a slide, or as the src of an iframe):"),
      html("span", {}, address, copy, alone),
    );
    const update = () => {
      const bare = new URL(location.href.split(/[?#]/)[0]);
      bare.hash = el.id;
      address.value = alone.href = this.state.address(bare).href;
      copy.textContent = "Copy";
    };
    details.addEventListener("toggle", update);
    this.bound.push(() => details.open && update());
    el.append(details, html("a", { class: "ex-back", href: `#${figure ?? ""}` }, "The figure in its chapter"));
  }

  say(text) {
    if (this.output.textContent !== text) this.output.textContent = text;
  }

  // A native slider for a number of the state. `log` spreads it over decades, `scale`
  // in any other way: two functions, to the slider's place and back. `get` and `put`
  // are for a number that is not always the state's own.
  slider(key, label, options = {}) {
    const { log = false, step, format = show, into = this.controls } = options;
    const { get = () => this.state[key] } = options;
    const { put = (value) => this.state.set({ [key]: value }) } = options;
    const { low, high, whole } = this.state.specification[key];
    const decades = [Math.log10, (at) => Number((10 ** at).toPrecision(3))];
    const [there, from] = options.scale ?? (log ? decades : [Number, Number]);
    const back = (at) => clamp(whole ? Math.round(from(at)) : from(at), low, high);
    const id = `${this.id}-${key}`;
    let before;
    const input = html("input", {
      type: "range",
      id,
      min: there(low),
      max: there(high),
      step: step ?? (log ? 0.01 : whole ? 1 : (high - low) / 200),
      oninput: () => put(back(Number(input.value))),
      // A finger that scrolls the page had set the slider when it came down.
      onpointerdown: () => (before = get()),
      onpointercancel: () => put(before),
    });
    const value = html("output", { for: id, class: "ex-value", "aria-live": "off" });
    const row = html(
      "div",
      { class: "ex-control" },
      html("label", { for: id }, label),
      value,
      input,
    );
    this.bound.push(() => {
      const at = there(get());
      // A slider of whole exponents would round what it is given.
      if (Math.abs(Number(input.value) - at) > 1e-9) input.value = at;
      const text = format(get());
      value.textContent = text;
      input.setAttribute("aria-valuetext", text);
    });
    into.append(row);
    return { row, input };
  }

  choice(key, label, options, { into = this.controls } = {}) {
    const id = `${this.id}-${key}`;
    const select = html(
      "select",
      { id, onchange: () => this.state.set({ [key]: select.value }) },
      ...options.map(([value, text]) => html("option", { value }, text)),
    );
    const row = html("div", { class: "ex-control" }, html("label", { for: id }, label), select);
    this.bound.push(() => (select.value = this.state[key]));
    into.append(row);
    return { row, select };
  }

  check(key, label, { into = this.controls } = {}) {
    const id = `${this.id}-${key}`;
    const input = html("input", {
      type: "checkbox",
      id,
      onchange: () => this.state.set({ [key]: input.checked }),
    });
    const row = html("div", { class: "ex-check" }, input, html("label", { for: id }, label));
    this.bound.push(() => (input.checked = this.state[key]));
    into.append(row);
    return { row, input };
  }

  button(text, act, { into = this.buttons } = {}) {
    const button = html("button", { type: "button", onclick: act }, text);
    into.append(button);
    return button;
  }

  resetButton(before = () => {}) {
    return this.button("Reset", () => {
      before();
      this.state.reset();
    });
  }

  // The buttons of what moves step by step: the state's `t`, up to `last`. `more` says
  // whether there is another; where there is none, what is said tells so.
  steps(last, more, stride = 1) {
    const on = (by) => more() && this.state.set({ t: Math.min(last, this.state.t + by) });
    this.button("Step", () => on(1));
    const running = this.runButton("Run", () => (on(stride), more()), () => on(last));
    this.button("Back to the start", () => {
      running.stop();
      this.state.set({ t: 0 });
    });
    return running;
  }

  // A button that runs and pauses. `advance` makes one move and returns whether there
  // is another; `finish` makes all that are left at once, for less motion.
  runButton(text, advance, finish, pause = 40) {
    let timer;
    const stop = () => {
      clearTimeout(timer);
      timer = undefined;
      button.textContent = text;
      this.output.setAttribute("aria-live", "polite");
    };
    const go = () => {
      timer = setTimeout(() => (advance() ? go() : stop()), pause);
    };
    const button = this.button(text, () => {
      if (timer !== undefined) stop();
      else if (wantsLessMotion()) finish();
      else {
        // What changes twenty times a second is not for reading aloud.
        this.output.setAttribute("aria-live", "off");
        button.textContent = "Pause";
        go();
      }
    });
    return { button, stop };
  }
}

// --- Plots -----------------------------------------------------------------------

// Nice places for ticks; two at least, or an axis says nothing.
function marks(low, high, count, log) {
  let found = log ? logTicks(low, high) : [];
  for (let more = count; found.length < 2 && more < 40; more += 1) found = ticks(low, high, more);
  return found;
}

export function ticks(low, high, count = 5) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((nice) => nice * power >= rough) * power;
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k += 1) {
    found.push(Number((k * step).toPrecision(12)));
  }
  return found;
}

export function logTicks(low, high) {
  const found = [];
  const first = Math.floor(Math.log10(low));
  const last = Math.ceil(Math.log10(high));
  const every = Math.ceil((last - first) / 7);
  const nice = last - first <= 2 ? [1, 2, 5] : [1];
  for (let power = first; power <= last; power += every) {
    for (const front of nice) {
      const value = Number(`${front}e${power}`);
      if (value >= low * 0.999 && value <= high * 1.001) found.push(value);
    }
  }
  return found;
}

function tickText(value, log) {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e4 || size < 1e-3)) {
    const power = Math.floor(Math.log10(size) + 1e-9);
    const front = Number((value / 10 ** power).toPrecision(3));
    return (front === 1 && log ? "" : `${front}·`) + `10${raised(power)}`;
  }
  return String(value).replace("-", "−");
}

const MARGIN = { left: 52, right: 10, top: 26, bottom: 42 };

// Where plots stand above each other they leave room for the controls below them.
const NARROW = matchMedia("(max-width: 640px)");
const fitted = (height) => (NARROW.matches ? Math.min(height, Math.max(170, innerHeight * 0.25)) : height);

// One pair of axes. `frame` sets the limits and clears the marks; marks are then drawn
// in the coordinates of the data. Handles stay, so that they keep the focus.
export class Plot {
  constructor(parent, { title = "", label, x, y, height = 300, logX = false, logY = false }) {
    Object.assign(this, { title, x, y, height, logX, logY });
    this.clip = unique("clip");
    this.clipRect = svg("rect");
    this.back = svg("g");
    this.marks = svg("g", { "clip-path": `url(#${this.clip})` });
    this.notes = svg("g");
    this.hold = svg("g");
    this.picture = svg(
      "g",
      { role: "img", "aria-label": label ?? title },
      this.back,
      this.marks,
      this.notes,
    );
    this.root = svg(
      "svg",
      { class: "ex-plot" },
      svg("defs", {}, svg("clipPath", { id: this.clip }, this.clipRect)),
      this.picture,
      this.hold,
    );
    this.handles = [];
    this.box = html("div", { class: "ex-plot-box" }, this.root);
    parent.append(this.box);
  }

  frame(xs, ys, { title = this.title, x = this.x, y = this.y, xMarks } = {}) {
    const width = Math.max(200, this.box.clientWidth || 320);
    const height = fitted(this.height);
    const heights = height - MARGIN.top - MARGIN.bottom;
    const rows = marks(...ys, heights / 45, this.logY).map((value) => [value, tickText(value, this.logY)]);
    // The name of the axis never lies on what stands at its ticks.
    const widest = 6.3 * Math.max(...rows.map(([, text]) => text.length));
    Object.assign(this, { width, limits: { xs, ys } });
    this.inner = {
      left: Math.max(MARGIN.left, widest + 26),
      right: width - MARGIN.right,
      top: MARGIN.top,
      bottom: height - MARGIN.bottom,
    };
    const { left, right, top, bottom } = this.inner;
    fill(this.root, { viewBox: `0 0 ${width} ${height}`, width, height }, []);
    const box = { x: left, y: top, width: right - left, height: bottom - top };
    fill(this.clipRect, box, []);
    this.marks.replaceChildren();
    this.notes.replaceChildren();
    this.surface = svg("rect", { ...box, class: "ex-ground" });
    const lines = [];
    const words = [];
    for (const value of xMarks ?? marks(...xs, (right - left) / 75, this.logX)) {
      const at = this.px(value);
      lines.push(svg("line", { x1: at, x2: at, y1: top, y2: bottom, class: "ex-grid" }));
      words.push(svg("text", { x: at, y: bottom + 17, class: "ex-tick" }, tickText(value, this.logX)));
    }
    for (const [value, text] of rows) {
      const at = this.py(value);
      lines.push(svg("line", { x1: left, x2: right, y1: at, y2: at, class: "ex-grid" }));
      words.push(svg("text", { x: left - 6, y: at + 4, class: "ex-tick ex-end" }, text));
    }
    words.push(
      svg("text", { x: left, y: 16, class: "ex-title" }, title),
      svg("text", { x: (left + right) / 2, y: height - 6, class: "ex-name" }, x),
      svg(
        "text",
        { transform: `translate(13 ${(top + bottom) / 2}) rotate(-90)`, class: "ex-name" },
        y,
      ),
    );
    this.back.replaceChildren(this.surface, ...lines, ...words);
  }

  px(x) {
    const { xs } = this.limits;
    const share = this.logX
      ? Math.log(x / xs[0]) / Math.log(xs[1] / xs[0])
      : (x - xs[0]) / (xs[1] - xs[0]);
    return clamp(this.inner.left + share * (this.inner.right - this.inner.left), -1e4, 1e4);
  }

  py(y) {
    const { ys } = this.limits;
    const share = this.logY
      ? Math.log(y / ys[0]) / Math.log(ys[1] / ys[0])
      : (y - ys[0]) / (ys[1] - ys[0]);
    return clamp(this.inner.bottom - share * (this.inner.bottom - this.inner.top), -1e4, 1e4);
  }

  // Where a pointer is, in the coordinates of the data.
  at(event) {
    const box = this.root.getBoundingClientRect();
    return this.dataAt(((event.clientX - box.left) * this.width) / box.width, event.clientY - box.top);
  }

  dataAt(h, v) {
    const { left, right, top, bottom } = this.inner;
    const [sx, sy] = [(h - left) / (right - left), (bottom - v) / (bottom - top)];
    const { xs, ys } = this.limits;
    const mix = ([low, high], s, log) =>
      log ? low * (high / low) ** s : low + s * (high - low);
    return [mix(xs, sx, this.logX), mix(ys, sy, this.logY)];
  }

  line(points, attributes = {}) {
    let pen = "M";
    let d = "";
    for (const [x, y] of points) {
      const [h, v] = [this.px(x), this.py(y)];
      if (Number.isFinite(h) && Number.isFinite(v)) {
        d += `${pen}${h.toFixed(1)} ${v.toFixed(1)}`;
        pen = "L";
      } else pen = "M";
    }
    return this.mark("path", { d, fill: "none", class: "ex-line", ...attributes });
  }

  dots(points, size, attributes = {}) {
    let d = "";
    for (const [x, y] of points) {
      const [h, v] = [this.px(x), this.py(y)];
      if (Number.isFinite(h) && Number.isFinite(v)) d += `M${h.toFixed(1)} ${v.toFixed(1)}h0`;
    }
    return this.mark("path", { d, fill: "none", "stroke-linecap": "round", "stroke-width": size, ...attributes });
  }

  crosses(points, reach, attributes = {}) {
    const d = points
      .map(([x, y]) => [this.px(x), this.py(y)])
      .filter((at) => at.every(Number.isFinite))
      .map(([h, v]) => `M${(h - reach).toFixed(1)} ${(v - reach).toFixed(1)}l${2 * reach} ${2 * reach}m0 ${-2 * reach}l${-2 * reach} ${2 * reach}`);
    return this.mark("path", { d: d.join(""), fill: "none", ...attributes });
  }

  bar(x0, x1, y0, y1, attributes = {}) {
    const [a, b] = [this.px(x0), this.px(x1)];
    const [top, bottom] = [this.py(y1), this.py(y0)];
    return this.mark("rect", {
      x: Math.min(a, b),
      y: top,
      width: Math.abs(b - a),
      height: Math.max(0, bottom - top),
      ...attributes,
    });
  }

  arrow([x0, y0], [x1, y1], attributes = {}) {
    return this.tip([this.px(x0), this.py(y0)], [this.px(x1), this.py(y1)], attributes);
  }

  tip([a, b], [c, d], attributes) {
    const length = Math.hypot(c - a, d - b);
    if (!(length > 0.5)) return undefined;
    const [h, v] = [(c - a) / length, (d - b) / length];
    const head = Math.min(9, length);
    const wing = (side) =>
      `M${c} ${d}L${c - head * (h * 0.87 + side * v * 0.5)} ${d - head * (v * 0.87 - side * h * 0.5)}`;
    const path = `M${a} ${b}L${c} ${d}${wing(1)}${wing(-1)}`;
    return this.mark("path", { d: path, fill: "none", class: "ex-line", ...attributes });
  }

  // An arrow of a length on the screen, whatever the scales of the axes.
  pointer([x, y], [dx, dy], length, attributes = {}) {
    const { xs, ys } = this.limits;
    const { left, right, top, bottom } = this.inner;
    const [h, v] = [(dx * (right - left)) / (xs[1] - xs[0]), (-dy * (bottom - top)) / (ys[1] - ys[0])];
    const [a, b, size] = [this.px(x), this.py(y), Math.hypot(h, v)];
    if (!(size > 0)) return undefined;
    return this.tip([a, b], [a + (h / size) * length, b + (v / size) * length], attributes);
  }

  text(x, y, words, attributes = {}) {
    const element = svg("text", { x: this.px(x), y: this.py(y), class: "ex-note", ...attributes }, words);
    this.notes.append(element);
    return element;
  }

  // Values of a grid as colors; rows from low y to high, values from 0 to 1 or NaN.
  // They are asked for again only when `key` is another one.
  heat(key, values, columns, rows, xs, ys, attributes = {}) {
    if (this.heated?.key !== key) {
      this.heated = { key, href: picture(values(), columns, rows) };
    }
    const [left, right] = xs.map((x) => this.px(x));
    const [bottom, top] = ys.map((y) => this.py(y));
    return this.mark("image", {
      href: this.heated.href,
      x: left,
      y: top,
      width: right - left,
      height: bottom - top,
      preserveAspectRatio: "none",
      ...attributes,
    });
  }

  mark(tag, attributes) {
    const element = svg(tag, attributes);
    this.marks.append(element);
    return element;
  }

  // Something to take hold of: by pointer, by finger, by arrow keys. `move` gets the
  // new place; `along` says which coordinates are free.
  handle({ label, move, along = "both", end = () => {} }) {
    const ring = svg("circle", { r: 8, class: "ex-ring" });
    const grip = svg(
      "g",
      {
        class: "ex-handle",
        tabindex: 0,
        role: "slider",
        "aria-label": label,
        "aria-orientation": along === "y" ? "vertical" : "horizontal",
      },
      svg("circle", { r: 22, class: "ex-reach" }),
      ring,
    );
    const handle = { grip, x: 0, y: 0 };
    const go = (x, y) => {
      const [xs, ys] = [this.limits.xs, this.limits.ys];
      move(
        along === "y" ? handle.x : clamp(x, ...xs),
        along === "x" ? handle.y : clamp(y, ...ys),
      );
    };
    drag(grip, (event) => go(...this.at(event)), end);
    grip.addEventListener("keydown", (event) => {
      const part = event.shiftKey ? 400 : 50;
      const free = along === "y" ? "up" : "across";
      // As a slider: Home and End go to the ends, the keys for pages ten steps.
      const far = { Home: -1e9, End: 1e9, PageDown: -10, PageUp: 10 }[event.key];
      const steps = {
        across: { ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? 0,
        up: { ArrowDown: -1, ArrowUp: 1 }[event.key] ?? 0,
        ...(far && { [free]: far }),
      };
      if (!steps.across && !steps.up) return;
      event.preventDefault();
      // By places on the axes, which may be logarithmic.
      const { left, right, top, bottom } = this.inner;
      const h = this.px(handle.x) + (steps.across * (right - left)) / part;
      const v = this.py(handle.y) - (steps.up * (bottom - top)) / part;
      const [x, y] = this.dataAt(h, v);
      go(steps.across ? x : handle.x, steps.up ? y : handle.y);
      end();
    });
    handle.place = (x, y, text) => {
      Object.assign(handle, { x, y });
      // One that lies outside is at the edge, where it can be taken hold of.
      const { left, right, top, bottom } = this.inner;
      const [h, v] = [clamp(this.px(x), left, right), clamp(this.py(y), top, bottom)];
      grip.setAttribute("transform", `translate(${h} ${v})`);
      const [value, limits] = along === "y" ? [y, this.limits.ys] : [x, this.limits.xs];
      fill(
        grip,
        {
          "aria-valuemin": limits[0],
          "aria-valuemax": limits[1],
          "aria-valuenow": value,
          "aria-valuetext": text,
        },
        [],
      );
    };
    this.hold.append(grip);
    return handle;
  }

  // A click or a tap anywhere between the axes.
  onPoint(act) {
    this.picture.addEventListener("click", (event) => {
      const [x, y] = this.at(event);
      const { xs, ys } = this.limits;
      if (x >= xs[0] && x <= xs[1] && y >= ys[0] && y <= ys[1]) act(x, y);
    });
    this.picture.classList.add("ex-target");
  }
}

function picture(shades, columns, rows) {
  const canvas = html("canvas", { width: columns, height: rows });
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const shade = shades[row * columns + column];
      const start = 4 * ((rows - 1 - row) * columns + column);
      if (!Number.isNaN(shade)) image.data.set([...viridis(shade), 255], start);
    }
  }
  context.putImageData(image, 0, 0);
  return canvas.toDataURL();
}

// Follow a pointer from where it takes hold to where it lets go.
export function drag(element, move, end = () => {}) {
  // Browsers heed `touch-action` on a whole SVG alone, not on its parts: a finger would
  // scroll the page and let go. Two fingers still enlarge it.
  const hold = (event) => event.touches.length === 1 && event.cancelable && event.preventDefault();
  element.addEventListener("touchstart", hold, { passive: false });
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    element.focus({ preventScroll: true });
    element.setPointerCapture(event.pointerId);
    const stop = () => {
      element.removeEventListener("pointermove", move);
      element.removeEventListener("pointerup", stop);
      element.removeEventListener("pointercancel", stop);
      end();
    };
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", stop);
    element.addEventListener("pointercancel", stop);
  });
}

// Eleven colors of matplotlib's viridis, and what lies between them.
const VIRIDIS = [
  0x440154, 0x482475, 0x414487, 0x355f8d, 0x2a788e, 0x21918c, 0x22a884, 0x44bf70,
  0x7ad151, 0xbddf26, 0xfde725,
].map((color) => [color >> 16, (color >> 8) & 255, color & 255]);

export function viridis(shade) {
  const at = clamp(shade, 0, 1) * (VIRIDIS.length - 1);
  const below = Math.min(Math.floor(at), VIRIDIS.length - 2);
  return VIRIDIS[below].map((low, i) => Math.round(low + (at - below) * (VIRIDIS[below + 1][i] - low)));
}

// A landscape over a grid as shades from 0 to 1, by the logarithm above the lowest.
export function shades(landscape, xs, ys, columns, rows, floor = 1e-3) {
  const found = new Float64Array(columns * rows);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      found[row * columns + column] = landscape.value([
        xs[0] + ((column + 0.5) / columns) * (xs[1] - xs[0]),
        ys[0] + ((row + 0.5) / rows) * (ys[1] - ys[0]),
      ]);
    }
  }
  return shade(found, floor);
}

export function shade(values, floor = 1e-3) {
  const finite = values.filter(Number.isFinite);
  const high = finite.reduce((a, b) => Math.max(a, b), -Infinity);
  const low = Math.max(finite.reduce((a, b) => Math.min(a, b), Infinity), high * floor);
  return values.map((v) =>
    Number.isNaN(v) ? NaN : Math.log(Math.max(v, low) / low) / Math.log(high / low || 2),
  );
}
