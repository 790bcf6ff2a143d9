// Brings explorables to life when a reader comes near them. A classic script, as is
// what it loads: modules would not load from the disk.
(() => {
  // Beside this script is one with all that this page's figures need.
  const { src, dataset } = document.currentScript;
  let bundle;

  function load() {
    bundle ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = src.replace(/[^/]*$/, dataset.bundle);
      script.onload = () => resolve(window.descentExplorable);
      script.onerror = () => reject(new Error("not loaded"));
      document.head.append(script);
    });
    return bundle;
  }

  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (isIntersecting) {
          near.unobserve(target);
          load().then(
            (start) => start(target.box),
            (error) => console.warn(`Figures to touch stay still: ${error.message}`),
          );
        }
      }
    },
    { rootMargin: "800px 0px" },
  );
  const boxes = [...document.querySelectorAll(".explorable")];
  for (const box of boxes) {
    const watched = box.closest("figure") ?? box.parentElement;
    // A link to a figure leads to its top, also when it becomes larger once it is there:
    // the browser is not to hold on to what is below its still.
    watched.style.overflowAnchor = "none";
    watched.box = box;
    watched.classList.add("ex-ready");
    near.observe(watched);
  }

  // The address that ends in #only-... shows one figure and nothing else. (What the
  // browser's :target is, it decides later.)
  const page = document.documentElement;
  function showAlone() {
    for (const other of document.querySelectorAll(".ex-alone"))
      other.classList.remove("ex-alone");
    const box = boxes.find(({ id }) => `#${id}` === location.hash);
    for (const shown of box ? [page, box.closest("figure")] : [])
      shown?.classList.add("ex-alone");
  }
  page.classList.add("ex-ready");
  addEventListener("hashchange", showAlone);
  showAlone();
})();
