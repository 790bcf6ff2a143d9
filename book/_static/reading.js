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

  // Code that runs in the page: all that it takes is asked for by pressing the button.
  const live = document.querySelector("[data-live]");
  live?.querySelector("button").addEventListener("click", ({ target }) => {
    if (target.onclick) return; // it is there already
    const script = document.createElement("script");
    script.src = `${live.dataset.live}_static/live/live.js`;
    script.onerror = () => live.append(" This could not be loaded. Are you online?");
    document.head.append(script);
  });

  // Excerpts on the search page are of the text, not of what stands around it.
  document.addEventListener("DOMContentLoaded", () => {
    if (typeof Search === "undefined") return;
    const textOf = Search.htmlToText;
    const around =
      "#jb-print-docs-body, .bd-header-article, .bd-sidebar-secondary, .prev-next-footer";
    Search.htmlToText = (text, anchor) => {
      const page = new DOMParser().parseFromString(text, "text/html");
      for (const part of page.querySelectorAll(around)) part.remove();
      return textOf(page.documentElement.outerHTML, anchor);
    };
  });

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
