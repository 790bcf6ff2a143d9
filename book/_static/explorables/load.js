// Brings explorables to life when a reader comes near them. A classic script, as is
// what it loads: modules would not load from the disk.
(() => {
  const folder = document.currentScript.src.replace(/[^/]*$/, "");
  let bundle;

  function load() {
    bundle ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `${folder}bundle.js`;
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
