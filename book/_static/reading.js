/* Small things that every page needs and the theme does not do. */
(() => {
  "use strict";
  const root = document.documentElement;

  // What is wider than its box is reached by keyboard, also once it is shown. Where it
  // goes on, the edge fades: columns, words and formulas may end where the box does.
  const tables = ".pst-scrollable-table-container, .sortable-scroll";
  const wide = `pre, .math-block, .cell_output > .output, .live-output, ${tables}`;
  const HIGH = ".sortable-scroll"; // also higher than its box
  const measure = (box) => {
    const { scrollLeft: x, scrollTop: y, clientWidth, scrollWidth, clientHeight, scrollHeight } = box;
    const ends = { start: x > 1, end: x + clientWidth < scrollWidth - 1 };
    if (box.matches(HIGH)) ends.bottom = y + clientHeight < scrollHeight - 1;
    return [box, scrollWidth > clientWidth, Object.keys(ends).filter((end) => ends[end]).join(" ")];
  };
  const mark = ([box, , ends]) => {
    if ((box.dataset.goesOn ?? "") !== ends) box.dataset.goesOn = ends;
  };
  // All is measured before anything is marked, else each box would be laid out anew.
  const observer = new ResizeObserver((entries) => {
    for (const measured of entries.map(({ target }) => measure(target))) {
      const [box, scrolls] = measured;
      if (!box.matches(HIGH)) box.tabIndex = scrolls ? 0 : -1;
      mark(measured);
    }
  });
  const main = document.querySelector("main");
  for (const box of main.querySelectorAll(wide)) observer.observe(box);
  new MutationObserver((changes) => {  // code may be run in the page
    for (const { addedNodes } of changes)
      for (const node of addedNodes)
        if (node instanceof HTMLElement)
          for (const box of [node, ...node.querySelectorAll(wide)])
            if (box.matches(wide)) observer.observe(box);
  }).observe(main, { subtree: true, childList: true });
  const scrolled = ({ target }) => { if (target.dataset.goesOn !== undefined) mark(measure(target)); };
  main.addEventListener("scroll", scrolled, { capture: true, passive: true });
  for (const box of document.querySelectorAll(tables)) {
    if (box.hasAttribute("aria-label")) continue;
    const head = box.querySelector("caption") ?? box.closest("section")?.querySelector("h1, h2, h3, h4");
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", `Table: ${(head?.textContent ?? document.title).replace("#", "").trim()}`);
  }

  // A picture opens as large as it was drawn, or as the window: the wide form, always.
  const enlarge = (picture) => {
    const shown = [...picture.querySelectorAll("img")].find((img) => img.checkVisibility());
    const dialog = document.createElement("dialog");
    dialog.className = "enlarged";
    dialog.setAttribute("aria-label", "The picture, enlarged");
    dialog.innerHTML = '<button type="button">Close</button><div tabindex="0"></div>';
    const large = new Image();
    [large.src, large.alt] = [shown.getAttribute("src"), shown.alt];
    large.className = "dark-light";
    large.style.setProperty("--shape", shown.getAttribute("width") / shown.getAttribute("height"));
    dialog.lastChild.append(large);
    dialog.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  };
  for (const button of document.querySelectorAll(".enlarge"))
    button.addEventListener("click", () => enlarge(button.parentElement));

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
  const NEAR = 60; // pixels that the list shows around the section
  const links = [...document.querySelectorAll("#on-this-page a")];
  const headings = links.map(({ hash }) => document.getElementById(decodeURIComponent(hash.slice(1))));
  const list = document.getElementById("on-this-page")?.closest(".bd-sidebar-secondary");
  let chosen, asked, last;
  const follow = () => {
    asked = undefined;
    const left = root.scrollHeight - innerHeight - scrollY;
    const line = LANDING + (innerHeight - LANDING) * Math.max(0, 1 - left / innerHeight);
    const read = chosen ?? links.findLast((_, i) => headings[i].getBoundingClientRect().top <= line);
    // The list follows, but a reader who scrolls it may do so until the section changes.
    const [frame, at] = [list, read].map((element) => element?.getBoundingClientRect());
    if (read && read !== last && at.height) {
      const out = Math.min(0, at.top - frame.top - NEAR) || Math.max(0, at.bottom - frame.bottom + NEAR);
      if (out) list.scrollTop += out;
    }
    last = read;
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
    requestAnimationFrame(() => setTimeout(follow)); // when all has its place anyway
    addEventListener("hashchange", () => { choose(); follow(); });
    for (const move of ["wheel", "touchmove", "keydown", "pointerdown"])
      addEventListener(move, release, { passive: true });
    for (const change of ["scroll", "resize"])
      addEventListener(change, () => { asked ??= requestAnimationFrame(follow); }, { passive: true });
  }

  // Menus, tips and copy buttons take more script than all else, and nobody wants them
  // before there is a page. Who presses a menu until then gets it as soon as can be,
  // unless they have gone on to something else.
  let pressed, late;
  const waiting = {
    click({ target }) {
      const menu = target.closest("[data-bs-toggle=dropdown]");
      pressed = menu === pressed ? null : menu;
      if (pressed) load();
    },
    focusin: ({ target }) => { if (!pressed?.contains(target)) pressed = null; },
    keydown: ({ key }) => { if (key === "Escape") pressed = null; },
  };
  const load = () => {
    if (late) return;
    late = document.createElement("script");
    late.src = `${root.dataset.content_root}_static/late.js`;
    late.onerror = () => { late = pressed = undefined; }; // the next press asks again
    late.onload = () => {
      for (const [kind, listener] of Object.entries(waiting))
        removeEventListener(kind, listener, true);
      pressed?.click();
    };
    document.head.append(late);
  };
  for (const [kind, listener] of Object.entries(waiting))
    addEventListener(kind, listener, true);
  if (document.readyState === "complete") load();
  else addEventListener("load", load, { once: true });

  // On a phone the table of contents lies over the page that one of its links leads to.
  addEventListener("click", ({ target }) => {
    const panel = target.closest("a[href^='#']")?.closest("dialog");
    panel?.close();
  });

  // Code that runs in the page: all that it takes is asked for by pressing the button.
  const live = document.querySelector("[data-live]");
  const opener = live?.querySelector("button");
  for (const here of live ? document.querySelectorAll("[data-live-cell]") : []) {
    here.hidden = location.protocol === "file:";
    here.addEventListener("click", () => {
      live.dataset.wanted = here.dataset.liveCell;
      if (opener.hidden) live.dispatchEvent(new Event("wanted"));
      else opener.click();
    });
  }
  opener?.addEventListener("click", ({ target }) => {
    if (target.onclick) return; // it is there already
    const script = document.createElement("script");
    script.src = `${live.dataset.live}_static/live/live.js`;
    script.onerror = () => live.append(" This could not be loaded. Are you online?");
    document.head.append(script);
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
