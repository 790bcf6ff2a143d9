/* Small things that every page needs and the theme does not do. */
(() => {
  "use strict";
  const root = document.documentElement;

  // What is wider than its box is reached by keyboard, also once it is shown. Of a table
  // that goes on, the edge fades: its columns may end where the box does.
  const fade = (box) => {
    const ends = [box.scrollLeft > 1, box.scrollLeft + box.clientWidth < box.scrollWidth - 1];
    box.dataset.goesOn = ["start", "end"].filter((_, i) => ends[i]).join(" ");
  };
  const tables = ".pst-scrollable-table-container, .sortable-scroll";
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (!target.matches(".sortable-scroll")) // which is also higher than its box
        target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1;
      if (target.matches(tables)) fade(target);
    }
  });
  for (const box of document.querySelectorAll(`main pre, main .math-block, ${tables}`))
    observer.observe(box);
  for (const box of document.querySelectorAll(tables)) {
    box.addEventListener("scroll", () => fade(box), { passive: true });
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
