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

  // "On this page" marks the section that is read: the last whose heading has passed the
  // line at which links land. On the last screen that line comes down, to reach the end.
  const LANDING = 100; // pixels from the top
  const links = [...document.querySelectorAll("#on-this-page a")];
  const headings = links.map(({ hash }) => document.getElementById(decodeURIComponent(hash.slice(1))));
  let chosen, asked;
  const mark = () => {
    asked = undefined;
    const left = root.scrollHeight - innerHeight - scrollY;
    const line = LANDING + (innerHeight - LANDING) * Math.max(0, 1 - left / innerHeight);
    const read = chosen ?? links.findLast((_, i) => headings[i].getBoundingClientRect().top <= line);
    for (const link of links) {
      link.classList.toggle("active", link === read);
      link.closest("li").classList.toggle("active", link.closest("li").contains(read ?? null));
      if (link === read) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  };
  const choose = () => { chosen = links.find(({ hash }) => hash && hash === location.hash); };
  const release = () => { chosen = undefined; };
  if (links.length) {
    choose();
    mark();
    addEventListener("hashchange", () => { choose(); mark(); });
    for (const move of ["wheel", "touchmove", "keydown", "pointerdown"])
      addEventListener(move, release, { passive: true });
    for (const change of ["scroll", "resize"])
      addEventListener(change, () => { asked ??= requestAnimationFrame(mark); }, { passive: true });
  }

  // Code that runs in the page: all that it takes is asked for by pressing the button.
  const live = document.querySelector("[data-live]");
  live?.querySelector("button").addEventListener("click", ({ target }) => {
    if (target.onclick) return; // it is there already
    const script = document.createElement("script");
    script.src = `${live.dataset.live}_static/live/live.js`;
    script.onerror = () => live.append(" This could not be loaded. Are you online?");
    document.head.append(script);
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
