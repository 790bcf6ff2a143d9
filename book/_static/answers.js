/* Answers to exercises, checked on the page as `check` does in a notebook.
 *
 * What is right, and every sentence, come from descent.exercises.answers; the fields
 * are written by book/_ext/answers.py. A right answer is kept by the browser, and is
 * checked again when the page is next opened: the tick stays as long as it is right.
 */
(() => {
  "use strict";
  const KEY = "descent-answers";
  const THOUSANDS = /^[+-]?[1-9]\d{0,2}(,\d{3})+(?=$|\.)/;
  const NUMBER = /^([+-]?)(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

  const kept = () => {
    try {
      return JSON.parse(localStorage.getItem(KEY)) ?? {};
    } catch {
      return {}; // not allowed, or not ours
    }
  };
  const keep = (label, texts) => {
    try {
      localStorage.setItem(KEY, JSON.stringify({ ...kept(), [label]: texts }));
    } catch {
      // The tick stays until the page is left.
    }
  };

  /** A number, or a fraction of two, as Python reads it. */
  const numberOf = (text) => {
    const parts = text.split("/").map((part) => part.trim());
    if (parts.length > 2 || !parts.every((part) => NUMBER.test(part))) return NaN;
    return parts.length === 1 ? Number(parts[0]) : Number(parts[0]) / Number(parts[1]);
  };

  /** A number as `short` of descent.exercises.checking writes it: like "%.6g". */
  const short = (text) => {
    const number = numberOf(text);
    if (/^[+-]?\d+$/.test(text)) return String(BigInt(text.replace("+", "")));
    if (!Number.isFinite(number)) return number > 0 ? "inf" : "-inf";
    const [digits, power] = number.toExponential(5).split("e");
    if (number === 0 || (power >= -4 && power < 6))
      return String(Number(number.toPrecision(6)));
    const bare = digits.replace(/\.?0+$/, "");
    return `${bare}e${power[0]}${power.slice(1).padStart(2, "0")}`;
  };

  /** A text as Python writes it in code. */
  const written = (text) => {
    const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
    const special = quote === "'" ? /['\\]/g : /[\\]/g;
    return quote + text.replace(special, "\\$&") + quote;
  };

  const fill = (sentence, text) => sentence.replace("{}", () => text);

  /** What does not answer the question in one field: a sentence, or null. */
  const refusal = (field, text) =>
    field.options || !Number.isNaN(numberOf(text))
      ? null
      : fill(field.no_number, written(text));

  /** What is wrong with the answer in one field: a sentence, or null. */
  const fault = (field, text) => {
    if (field.options) return field.options[text];
    const number = numberOf(text);
    if (field.within && !(number >= field.within[0] && number <= field.within[1]))
      return fill(field.outside, short(text));
    if (Math.abs(number - field.right) <= field.near) return null;
    return fill(number < field.right ? field.small : field.large, short(text));
  };

  /** The same as `Answer.judge` in Python: null if all is right. */
  const judge = (asked, texts) => {
    const open = texts.indexOf("");
    if (open >= 0) return asked.fields[open].open;
    const refused = asked.fields.map((field, place) => refusal(field, texts[place]));
    const first = refused.find((sentence) => sentence !== null);
    if (first !== undefined) return first;
    const faults = asked.fields.map((field, place) => fault(field, texts[place]));
    const wrong = faults.filter((sentence) => sentence !== null);
    if (!wrong.length) return null;
    if (!asked.counted) return wrong[0];
    return fill(asked.counted, faults.length - wrong.length);
  };

  const forms = [...document.querySelectorAll("form.answer")];

  /** Tick the exercise, and count it where the page's contents name its section. */
  const tick = (form) => {
    const title = document.querySelector(`#${form.dataset.answer} > .admonition-title`);
    if (!title || title.dataset.solved) return;
    title.dataset.solved = "yes";
    title.insertAdjacentHTML("beforeend", '<span class="visually-hidden"> (solved)</span>');
    const section = form.closest("section[id]");
    const mine = forms.filter((other) => other.closest("section[id]") === section);
    const solved = section.querySelectorAll(":scope > .exercise > [data-solved]").length;
    for (const entry of document.querySelectorAll(`.toc-entry > [href="#${section.id}"]`))
      entry.dataset.solved = `${solved}/${mine.length}`;
  };

  for (const form of forms) {
    const asked = JSON.parse(atob(form.dataset.asked));
    const fields = [...form.querySelectorAll("input, select")];
    const said = form.querySelector("output");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const texts = fields.map((field) =>
        field.value
          .trim()
          .replaceAll("−", "-")
          .replace(THOUSANDS, (digits) => digits.replaceAll(",", "")),
      );
      const sentence = judge(asked, texts);
      said.value = sentence ?? asked.right;
      if (sentence !== null) return;
      tick(form);
      keep(form.dataset.answer, texts);
    });
    const before = kept()[form.dataset.answer];
    if (before?.length === fields.length && judge(asked, before) === null) {
      fields.forEach((field, place) => (field.value = before[place]));
      tick(form);
    }
  }
})();
