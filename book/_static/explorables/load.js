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
  for (const box of document.querySelectorAll(".explorable")) {
    const watched = box.closest("figure") ?? box.parentElement;
    watched.box = box;
    near.observe(watched);
  }
})();
