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

  // What nobody has scrolled to is wanted on paper, and takes a moment to load: from when
  // a hand is on its way to Ctrl-P.
  function loadPictures() {
    for (const image of document.images) image.loading = "eager";
  }
  addEventListener("keydown", ({ key }) => /^(Control|Meta)$/.test(key) && loadPictures());

  // Paper is white, shows what is folded, and has the solutions at its end.
  const undo = [];
  addEventListener("beforeprint", () => {
    const { theme } = root.dataset;
    root.dataset.theme = "light";
    undo.push(() => (root.dataset.theme = theme));
    loadPictures();
    for (const fold of document.querySelectorAll("details.dropdown:not([open])")) {
      fold.open = true;
      undo.push(() => (fold.open = false));
    }
    const solutions = document.querySelectorAll("article .solution");
    if (!solutions.length) return;
    const end = document.createElement("section");
    end.innerHTML = "<h2>Solutions</h2>";
    document.querySelector("article").append(end);
    undo.push(() => end.remove());
    for (const solution of solutions) {
      const place = document.createComment("");
      solution.replaceWith(place);
      end.append(solution);
      undo.unshift(() => place.replaceWith(solution));
    }
  });
  addEventListener("afterprint", () => {
    for (const step of undo.splice(0)) step();
  });
})();
