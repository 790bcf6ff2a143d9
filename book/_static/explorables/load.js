// Brings explorables to life when a reader comes near them. A classic script, as is
// what it loads: modules would not load from the disk.
(() => {
  const folder = document.currentScript.src.replace(/[^/]*$/, "");
  let bundle;

  function load() {
    bundle ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `${folder}bundle.js`;
      script.onload = () => resolve(window.descentExplorables);
      script.onerror = () => reject(new Error("not loaded"));
      document.head.append(script);
    });
    return bundle;
  }

  async function start(box) {
    const figure = box.closest("figure");
    try {
      const explorables = await load();
      const data = JSON.parse(box.querySelector("script").textContent);
      // There before it is drawn: what has no size cannot be laid out.
      box.classList.add("ex-live");
      figure?.classList.add("ex-alive");
      explorables[box.dataset.explorable].render({
        model: { get: (key) => data[key] },
        el: box,
      });
    } catch (error) {
      // The still stays.
      box.classList.remove("ex-live");
      figure?.classList.remove("ex-alive");
      console.warn(`The explorable ${box.dataset.explorable} did not start: ${error.message}`);
    }
  }

  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (isIntersecting) {
          near.unobserve(target);
          start(target.box);
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
