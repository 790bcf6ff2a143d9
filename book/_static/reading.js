/* Small things that every page needs and the theme does not do. */
(() => {
  "use strict";
  const root = document.documentElement;

  // Code, or a formula, that is wider than its box is reached by keyboard, also once it is shown.
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries)
      target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1;
  });
  for (const box of document.querySelectorAll("main pre, main .math-block"))
    observer.observe(box);

  // Paper is white, and shows what nobody has scrolled to.
  let theme;
  addEventListener("beforeprint", () => {
    theme = root.dataset.theme;
    root.dataset.theme = "light";
    for (const image of document.images) image.loading = "eager";
  });
  addEventListener("afterprint", () => {
    if (theme) root.dataset.theme = theme;
  });
})();
