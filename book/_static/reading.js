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

  // The words that a reader searched for are marked, until Escape.
  const sought = new URLSearchParams(location.search).get("q")?.match(/[\p{L}\p{N}_]+/gu);
  const article = document.querySelector("article.bd-article");
  if (sought && article && CSS.highlights) {
    const word = new RegExp(`(?<![\\p{L}\\p{N}_])(${sought.join("|")})(?![\\p{L}\\p{N}_])`, "giu");
    const marks = new Highlight();
    const texts = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
    while (texts.nextNode())
      for (const { 0: found, index } of texts.currentNode.data.matchAll(word))
        marks.add(new StaticRange({
          startContainer: texts.currentNode, startOffset: index,
          endContainer: texts.currentNode, endOffset: index + found.length,
        }));
    CSS.highlights.set("sought", marks);
    addEventListener("keydown", ({ key }) => { if (key === "Escape") CSS.highlights.clear(); });
  }

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
