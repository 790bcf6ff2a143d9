/* What a term or a citation means stands beside its link: under the pointer, with the
   focus, and at the first tap. (Its text is at the page's end: book/_ext/meanings.py.) */
(() => {
  "use strict";
  const GAP = 6, DELAY = 150; // pixels; milliseconds
  if (!HTMLElement.prototype.showPopover) return;
  let shown, timer, touch;

  const hide = () => {
    clearTimeout(timer);
    shown?.box.hidePopover();
    shown = undefined;
  };
  const later = (action) => {
    clearTimeout(timer);
    timer = setTimeout(action, DELAY);
  };
  const show = (link, box) => {
    clearTimeout(timer);
    if (shown?.link === link) return;
    hide();
    shown = { link, box };
    box.showPopover();
    const lines = link.getClientRects();
    const last = lines[lines.length - 1];
    const below = last.bottom + GAP + box.offsetHeight < innerHeight;
    const line = below ? last : lines[0];
    const right = document.documentElement.clientWidth - box.offsetWidth - GAP;
    box.style.left = `${Math.max(GAP, Math.min(line.left, right)) + scrollX}px`;
    box.style.top = `${scrollY + (below ? line.bottom + GAP : line.top - GAP - box.offsetHeight)}px`;
  };

  for (const link of document.querySelectorAll("article a.internal[href*='#']")) {
    const box = document.getElementById(`meaning-${decodeURIComponent(link.hash.slice(1))}`);
    if (!box || link.closest("[popover]")) continue;
    link.setAttribute("aria-describedby", box.id);
    link.addEventListener("pointerenter", (event) => {
      if (event.pointerType !== "touch") later(() => show(link, box));
    });
    link.addEventListener("pointerleave", () => later(hide));
    link.addEventListener("focus", () => { if (link.matches(":focus-visible")) show(link, box); });
    link.addEventListener("blur", () => later(hide));
    link.addEventListener("click", (event) => {
      if (!touch || shown?.link === link) return;
      event.preventDefault();
      show(link, box);
    });
    box.onpointerenter = () => clearTimeout(timer);
    box.onpointerleave = () => later(hide);
  }
  addEventListener("pointerdown", ({ pointerType, target }) => {
    touch = pointerType === "touch";
    if (shown && !shown.box.contains(target) && !shown.link.contains(target)) hide();
  }, true);
  addEventListener("keydown", ({ key }) => { if (key === "Escape") hide(); });
})();
