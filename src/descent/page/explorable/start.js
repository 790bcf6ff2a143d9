// Brings one explorable to life: on a page of the book, and under a notebook's cell.

import { keeps } from "./base.js";

export function start(box, explorables) {
  const figure = box.closest("figure");
  const data = JSON.parse(box.querySelector("script").textContent);
  // Under a cell the page's address is the notebook's, but the keys are the figure's.
  const inNotebook = Boolean(box.closest(".ex-notebook"));
  keeps.address = !inNotebook;
  if (inNotebook) box.addEventListener("keydown", (event) => event.stopPropagation());
  // There before it is drawn: what has no size cannot be laid out.
  box.classList.add("ex-live");
  figure?.classList.add("ex-alive");
  try {
    explorables[box.dataset.explorable].render({
      model: { get: (key) => data[key] },
      el: box,
    });
  } catch (error) {
    // The still stays.
    box.classList.remove("ex-live");
    figure?.classList.remove("ex-alive");
    console.warn(`The explorable ${box.dataset.explorable} did not start: ${error.message}`);
  }
}
