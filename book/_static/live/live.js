/* A chapter's code, run in its page. Loaded when a reader presses the button (reading.js).

   Thebe (live/thebe) talks to a Jupyter server and draws what comes back. Here are the
   way to a server, the editors, and what is said when something goes wrong. The code,
   also what the page does not show, comes from live/NAME.ipynb. */
(() => {
  "use strict";
  const place = document.querySelector("[data-live]");
  const { live: up, name, server: home, binder, repository, branch, megabytes } = place.dataset;
  const SECOND = 1000;
  const PATIENCE = { home: 30 * SECOND, start: 60 * SECOND, binder: 180 * SECOND };

  // What went wrong, in words for the reader.
  class Trouble extends Error {}

  function make(tag, properties, ...content) {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(properties ?? {}))
      if (key in element && key !== "role") element[key] = value;
      else element.setAttribute(key, value);
    element.append(...content);
    return element;
  }

  const button = (text, onclick) => make("button", { type: "button", onclick }, text);

  function kept(key) {
    try {
      return localStorage.getItem(key);
    } catch {
      return null; // a browser that keeps nothing
    }
  }

  // --- What is said, and what can be pressed ------------------------------------------

  const opener = place.querySelector("button");
  const words = make("div", { id: "live-words", tabIndex: -1 });
  const status = make("p", { role: "status", className: "live-status" });
  const tools = make("div", { className: "live-tools" });
  const desk = make("div", { className: "live-desk" }, status, tools);
  const panel = make("section", { "aria-label": "Live code", hidden: true }, words, desk);
  place.append(panel);

  document.head.append(make("link", { rel: "stylesheet", href: `${up}_static/live/live.css` }));

  const say = (text) => (status.textContent = text);

  /* Show buttons; the first has the focus if one that goes had it. */
  function show(...buttons) {
    const had = tools.contains(document.activeElement) || document.activeElement === opener;
    tools.replaceChildren(...buttons);
    if (had) buttons[0]?.focus();
  }

  const OFFER = home
    ? `You are about to change this chapter's code and run it here. Your browser loads the program
       for that from where this page came from, and then asks the Jupyter server at ${home} on this
       computer. No other computer is asked.`
    : `You are about to change this chapter's code and run it here. Your browser loads the program
       for that from this site (${megabytes} MB), and then asks ${new URL(binder).host}, a free public
       service, for a computer. Your code and your internet address go there. That takes half a
       minute, and some minutes when nobody was here for a while.`;

  function offer() {
    opener.hidden = true;
    panel.hidden = false;
    words.textContent = `${OFFER} Nothing is asked before you press Start.`;
    say("");
    tools.replaceChildren();
    const begin = button("Start", start);
    begin.setAttribute("aria-describedby", words.id);
    show(begin, button("Not now", close));
    begin.focus();
  }

  function close() {
    delete document.documentElement.dataset.live;
    panel.hidden = true;
    opener.hidden = false;
    opener.focus();
  }

  /* Say why there is no server, or none any more; the page is as it was. */
  function fail(error) {
    say(error instanceof Trouble ? error.message : `That did not work: ${error?.message ?? error}`);
    show(button("Try again", start), button("Close", close));
  }

  // --- The way to a server ------------------------------------------------------------

  function within(milliseconds, promise, message) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Trouble(message)), milliseconds);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
  }

  let program;
  function load() {
    program ??= new Promise((resolve, reject) => {
      const src = `${up}live/thebe/index.js`;
      const onerror = () => {
        program = undefined;
        reject(new Trouble("The program that runs code could not be loaded. Are you online?"));
      };
      const onload = () => resolve(window.thebeCore.api);
      document.head.append(make("script", { src, onerror, onload }));
    });
    return program;
  }

  async function code() {
    const answer = await fetch(`${up}live/${name}.ipynb`).catch(() => null);
    if (!answer?.ok) throw new Trouble("This chapter’s code could not be loaded. Are you online?");
    const notebook = await answer.json();
    // Lines end with their ends already, which Thebe does not expect.
    for (const cell of notebook.cells) cell.source = [cell.source].flat().join("");
    return notebook;
  }

  /* Ask the server at home how it is, so that it is clear what is wrong with it. */
  async function greet() {
    const headers = { Authorization: `token ${kept("live-token")}` };
    const answer = await within(
      PATIENCE.home,
      fetch(`${home}api/status`, { headers }).catch(async () => {
        // An answer that refuses is not for pages to read; that there is one, they see.
        const there = await fetch(`${home}api`, { mode: "no-cors" }).catch(() => null);
        if (!there)
          throw new Trouble(`No Jupyter server answers at ${home}. Is “make live” still running?`);
      }),
      `The Jupyter server at ${home} has not answered for ${PATIENCE.home / SECOND} seconds.`,
    );
    if (!answer?.ok)
      throw new Trouble(
        `The Jupyter server at ${home} refused this page's token. Open the address that
         “make live” says: the token is in it.`,
      );
  }

  const PHASES = {
    waiting: "is looking whether it has what the book needs",
    fetching: "is fetching the book’s package",
    building: "is installing what the book needs, which takes some minutes",
    pushing: "is storing what it has installed",
    built: "has what the book needs",
    launching: "is starting a computer",
  };

  /* Resolve when Binder has handed out a server. */
  function binderReady(server, config) {
    return new Promise((resolve, reject) => {
      let timer;
      const wait = () => {
        clearTimeout(timer);
        timer = setTimeout(() => {
          const minutes = PATIENCE.binder / SECOND / 60;
          reject(new Trouble(`Binder has said nothing for ${minutes} minutes.`));
        }, PATIENCE.binder);
      };
      config.events.on("status", (_, { message }) => {
        wait();
        const phase = PHASES[/^Binder is: (\w+)/.exec(message)?.[1]];
        if (phase) say(`Binder ${phase} …`);
      });
      const trouble = () =>
        reject(
          new Trouble(
            `Binder cannot be reached, or has no computer to spare. Try again in some minutes, or
             open the chapter in Colab: see the rocket above.`,
          ),
        );
      config.events.on("error", trouble);
      wait();
      server.connectToServerViaBinder();
      server.ready.then(resolve, trouble).finally(() => clearTimeout(timer));
    });
  }

  async function connect(api) {
    const config = api.makeConfiguration({
      mathjaxUrl: "",
      // A name of its own: servers hand out the same kernel for the same name.
      kernelOptions: { kernelName: "python3", path: `${name}-${Date.now()}.ipynb` },
      binderOptions: { binderUrl: binder, repo: repository, ref: branch },
      savedSessionOptions: { storagePrefix: "live-binder" },
      serverSettings: { baseUrl: home, token: kept("live-token") ?? "", appendToken: true },
    });
    const server = api.makeServer(config);
    if (home) {
      await greet();
      server.connectToJupyterServer();
      await within(PATIENCE.home, server.ready, `The Jupyter server at ${home} is too slow.`);
    } else await binderReady(server, config);
    say("Python is starting …");
    const rendermime = api.makeRenderMimeRegistry(config.mathjax);
    const starting = server.startNewSession(rendermime).then(async (session) => {
      await session.kernel.info; // it answers
      return session;
    });
    const session = await within(PATIENCE.start, starting, "The server has not started Python.");
    return { config, rendermime, session };
  }

  let attempt = 0;
  async function start() {
    const mine = ++attempt;
    const cancel = () => {
      attempt += 1;
      offer();
    };
    show(button("Cancel", cancel));
    say("Loading the program …");
    try {
      const [api, notebook] = await Promise.all([load(), code()]);
      say(home ? "Asking the Jupyter server …" : "Asking Binder …");
      const { config, rendermime, session } = await connect(api);
      if (mine !== attempt) await session.shutdown();
      else enliven(api.setupNotebookFromIpynb(notebook, config, rendermime), session);
    } catch (error) {
      if (mine === attempt) fail(error);
    }
  }

  // --- Cells --------------------------------------------------------------------------

  const KEEP = `live-code-${name}`;
  // What the reader made of a cell, by the book's text of it.
  const drafts = new Map(Object.entries(JSON.parse(kept(KEEP) ?? "{}")));

  function keep(source, text) {
    if (text === source) drafts.delete(source);
    else drafts.set(source, text);
    try {
      if (drafts.size) localStorage.setItem(KEEP, JSON.stringify(Object.fromEntries(drafts)));
      else localStorage.removeItem(KEEP);
    } catch {
      say("This browser keeps nothing: what you type is gone when you leave the page.");
    }
  }

  /* One cell of the page: the editor in the place of its code, and what can be done. */
  class Cell {
    constructor(box, number, live) {
      Object.assign(this, { box, number, thebe: live, source: live.source, ran: false });
      this.raises = live.tags.includes("raises-exception");
      this.state = make("span", { className: "live-state" });
      this.runner = button("", () => run(this));
      this.bar = make("div", { className: "live-bar" }, this.runner, this.state);
      this.output = make("div", { className: "live-output" });
      this.pre = box.querySelector(".cell_input pre");
      if (this.pre) this.openEditor();
      const input = box.querySelector(":scope > .cell_input, :scope > details");
      if (input) input.after(this.bar, this.output);
      else box.prepend(this.bar, this.output);
    }

    /* What is typed is in the field; the colors are in the text below it. */
    openEditor() {
      this.paper = make("pre", { id: this.pre.id, "aria-hidden": "true" });
      this.field = make("textarea", {
        ...{ spellcheck: false, autocapitalize: "off", autocomplete: "off" },
        ...{ "aria-label": `Code of cell ${this.number}`, "aria-describedby": "live-keys" },
        oninput: () => this.changed(),
        onkeydown: (event) => this.key(event),
      });
      this.editor = make("div", { className: "live-editor" }, this.paper, this.field);
      this.pre.replaceWith(this.editor);
      this.reset = button("Back to the book’s code", () => {
        this.write(this.source);
        this.field.focus();
      });
      this.runner.after(this.reset);
      this.write(drafts.get(this.source) ?? this.source);
    }

    get text() {
      return this.field?.value ?? this.source;
    }

    write(text) {
      this.field.value = text;
      this.changed();
    }

    changed() {
      keep(this.source, this.text);
      this.reset.hidden = this.text === this.source;
      paint(this.paper, this.text);
    }

    key(event) {
      const { key, shiftKey } = event;
      const insert = (text) => {
        event.preventDefault();
        document.execCommand("insertText", false, text); // can be undone
      };
      if (key === "Enter" && (shiftKey || event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        run(this);
      } else if (key === "Enter") {
        const before = this.text.slice(0, this.field.selectionStart);
        insert(`\n${/([ ]*)[^\n]*$/.exec(before)[1]}${before.endsWith(":") ? "    " : ""}`);
      } else if (key === "Tab" && !shiftKey && !this.leaving) insert("    ");
      this.leaving = key === "Escape";
    }

    wait(yes = true) {
      if (yes) this.state.textContent = "waits";
      else if (this.state.textContent === "waits") this.state.textContent = "";
    }

    /* Take what came of the reader's code away: the book's is there again. */
    forget() {
      this.ran = false;
      this.output.replaceChildren(); // what still comes is drawn where nobody sees it
      this.output.style.minHeight = "";
      this.state.textContent = "";
      delete this.box.dataset.liveRan;
    }

    remove() {
      this.forget();
      this.editor?.replaceWith(this.pre);
      this.bar.remove();
      this.output.remove();
    }
  }

  /* A cell that the page does not show; if it fails, it says so before the next. */
  class Hidden {
    constructor(live) {
      Object.assign(this, { thebe: live, text: live.source, ran: false, raises: false });
      this.output = make("div", { className: "live-output" });
    }

    forget() {
      this.ran = false;
      this.output.remove();
    }

    remove() {
      this.forget();
    }
  }

  // --- Colors of code, by the theme's names for them ------------------------------------

  const TOKENS = new RegExp(
    [
      /(?<c1>#.*)/,
      /(?<s2>[bfru]{0,2}(?<quote>"""|'''|["'])(?:(?!\k<quote>)[^\\]|\\[^])*(?:\k<quote>|$))/,
      /\b(?<k>False|None|True|and|as|assert|async|await|break|class|continue|def|del|elif)\b/,
      /\b(?<k2>else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not)\b/,
      /\b(?<k3>or|pass|raise|return|try|while|with|yield)\b/,
      /\b(?<mi>\d[\w.]*)/,
    ]
      .map((part) => part.source)
      .join("|"),
    "g",
  );
  function paint(paper, text) {
    paper.replaceChildren();
    let end = 0;
    for (const { groups, index, 0: token } of text.matchAll(TOKENS)) {
      const kind = ["c1", "s2", "mi"].find((each) => groups[each] !== undefined) ?? "k";
      paper.append(text.slice(end, index), make("span", { className: kind }, token));
      end = index + token.length;
    }
    paper.append(`${text.slice(end)}\n`);
  }

  // --- Running --------------------------------------------------------------------------

  let now; // what is live: the cells in order, the session, what breaks a run off

  const KEYS = `Shift and Enter run a cell. Tab indents; press Escape and then Tab to leave the
    code. Your edits are kept in this browser.`;

  function enliven(notebook, session) {
    const boxes = [...document.querySelectorAll("article div.cell")];
    const onPage = (cell) => cell.tags.includes("on-page");
    if (boxes.length !== notebook.cells.filter(onPage).length) {
      session.shutdown();
      throw new Trouble("The page and its code are of two versions. Load the page anew.");
    }
    const here = tools.contains(document.activeElement);
    notebook.attachSession(session);
    let number = 0;
    const cells = notebook.cells.map((cell) =>
      onPage(cell) ? new Cell(boxes[number++], number, cell) : new Hidden(cell),
    );
    now = { session, cells, colors: notebook.metadata.colors };
    document.documentElement.dataset.live = "";
    words.replaceChildren(make("p", { id: "live-keys" }, KEYS));
    if (drafts.size) words.append("What you changed before is in the cells again.");
    say(`Python is ready. This chapter has ${number} cells, each with a button to run it.`);
    ready();
    if (here) words.focus();
    goToWanted();
    watch(session.kernel);
  }

  function ready() {
    let behind = false;
    for (const cell of now.cells) {
      cell.runner?.replaceChildren(
        behind ? "Run to here" : "Run",
        make("span", { className: "visually-hidden" }, ` cell ${cell.number}`),
      );
      behind ||= !cell.ran;
    }
    show(button("Restart Python", restart), button("End", end));
  }

  /* Say how a run ended: what went wrong, or the beginning of what the cell says. */
  function outcome(cell, error) {
    const who = cell.box ? `Cell ${cell.number}` : "A cell that the page does not show";
    if (error) return `${who} stopped. ${error.ename}: ${error.evalue}`;
    const text = cell.thebe.outputs
      .map(({ text, data }) => [text ?? data?.["text/plain"] ?? ""].flat().join(""))
      .join(" ")
      .trim();
    return `${who} has run. ${text.length > 120 ? `${text.slice(0, 120)} …` : text}`;
  }

  const namePictures = (output) => {
    for (const picture of output.querySelectorAll("svg:not([role]), img:not([alt])")) {
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", "Figure drawn by this cell");
    }
  };

  /* Figures in the book's ink have their partners for dark pages, as the book's own have. */
  function recolor() {
    if (!now) return;
    const { ink, dark } = now.colors;
    const partners = Object.entries(dark).map((pair) => pair.map(encodeURIComponent));
    const partner = Object.fromEntries(partners);
    const known = new RegExp(Object.keys(partner).join("|"), "g");
    for (const figure of document.querySelectorAll(".live-output .jp-RenderedSVG img")) {
      const drawn = (figure.dataset.drawn ??= figure.src);
      const paired = drawn.includes(encodeURIComponent(ink));
      figure.classList.toggle("dark-light", paired);
      const exchange = paired && document.documentElement.dataset.theme === "dark";
      const shown = exchange ? drawn.replace(known, (color) => partner[color]) : drawn;
      if (figure.src !== shown) figure.src = shown;
    }
  }
  new MutationObserver(recolor).observe(document.documentElement, { attributeFilter: ["data-theme"] });

  /* Run a cell; return the error that it stopped with, if it did. */
  async function runOne(cell, broken) {
    const { box, output, thebe } = cell;
    if (box) {
      say(`Cell ${cell.number} is running …`);
      cell.state.textContent = "runs …";
      // The page keeps its height while what was there goes and what comes is not there.
      const before = box.querySelector(":scope > .cell_output");
      if (!("liveRan" in box.dataset))
        output.style.minHeight = `${before?.offsetHeight ?? 0}px`;
      box.dataset.liveRan = "";
    }
    if (!output.hasChildNodes()) thebe.attachToDOM(output);
    let reply = await Promise.race([thebe.execute(cell.text), broken]);
    // Thebe gives nothing when the server broke off: why is said in a moment.
    reply ??= await within(5 * SECOND, broken, "The server has not run the cell.");
    output.style.minHeight = "";
    namePictures(output);
    recolor();
    const [error] = (!cell.raises && reply.error) || [];
    cell.ran = !error;
    if (box) cell.state.textContent = error ? "stopped" : "has run";
    return error;
  }

  /* Run a cell, and before it what stands above and has not run. */
  async function run(target) {
    if (now.running) {
      say("A cell is running. Wait, or stop it.");
      return;
    }
    const mine = now;
    const last = mine.cells.indexOf(target);
    const due = mine.cells.filter((cell, at) => at === last || (at < last && !cell.ran));
    const broken = new Promise((_, reject) => (mine.breakOff = reject));
    broken.catch(() => {});
    mine.running = true;
    show(button("Stop", () => mine.session.kernel.interrupt()), button("Restart Python", restart));
    for (const cell of due) cell.wait?.();
    let error;
    try {
      for (const cell of due) {
        error = await runOne(cell, broken);
        if (error && !cell.box) target.bar.before(cell.output);
        if (error || cell === target) {
          say(outcome(cell, error));
          break;
        }
      }
    } catch (reason) {
      mine.running = false;
      if (mine === now) lose(reason);
      return;
    }
    mine.running = false;
    for (const cell of due) cell.wait?.(false);
    if (mine === now) ready();
  }

  // --- When Python ends -----------------------------------------------------------------

  const KEPT = "The page shows the book’s results again, and your code is kept.";

  class Restarted extends Error {}

  function watch(kernel) {
    const mine = now;
    kernel.statusChanged.connect((_, state) => {
      if (mine !== now || mine.asked) return;
      if (state === "restarting" || state === "autorestarting") breakOff(new Restarted());
      else if (state === "dead") breakOff(new Trouble(`The server has ended Python. ${KEPT}`));
    });
    // Whoever else can start it anew: what comes after names another session.
    kernel.anyMessage.connect((_, { msg, direction }) => {
      const { header, parent_header: asked } = msg;
      if (direction !== "recv" || !asked.msg_id || header.msg_type !== "status") return;
      const other = mine.life && mine.life !== header.session;
      mine.life = header.session;
      if (mine === now && !mine.asked && other) breakOff(new Restarted());
    });
    kernel.disposed.connect(() => {
      if (mine === now) breakOff(new Trouble(`The server has ended Python. ${KEPT}`));
    });
    kernel.connectionStatusChanged.connect((_, state) => {
      if (mine === now && state !== "connected") lookAgain();
    });
  }

  /* End a run, if there is one, and say why. */
  function breakOff(reason) {
    if (now.running) now.breakOff(reason);
    else lose(reason);
  }

  function lose(reason) {
    if (reason instanceof Restarted) {
      for (const cell of now.cells) cell.forget();
      now.life = undefined;
      ready();
      say(`Python was started anew and has forgotten everything. ${KEPT}`);
    } else {
      const here = document.activeElement.closest?.(".cell");
      quiet();
      fail(reason);
      if (here) tools.firstChild.focus();
    }
  }

  /* Ask a server about one of its kernels, or to end it. */
  function about({ id, serverSettings: { baseUrl, token } }, options) {
    const headers = { Authorization: `token ${token}` };
    return fetch(`${baseUrl}api/kernels/${id}`, { headers, ...options });
  }

  /* The connection is gone: is the server, or only the kernel? */
  async function lookAgain() {
    const mine = now;
    const { kernel } = mine.session;
    while (mine === now && kernel.connectionStatus !== "connected") {
      const answer = await about(kernel).catch(() => null);
      if (mine !== now) return;
      if (!answer) breakOff(new Trouble(`The server does not answer any more. ${KEPT}`));
      else if (!answer.ok) breakOff(new Trouble(`The server has ended Python. ${KEPT}`));
      else await new Promise((resolve) => setTimeout(resolve, SECOND));
    }
  }

  /* A button below an exercise asks for its cell: the last one above. */
  function goToWanted() {
    const from = document.querySelector(`[data-live-cell="${place.dataset.wanted}"]`);
    delete place.dataset.wanted;
    const above = ({ field }) =>
      field && from?.compareDocumentPosition(field) & Node.DOCUMENT_POSITION_PRECEDING;
    now.cells.findLast(above)?.field.focus();
  }
  place.addEventListener("wanted", () => {
    if (now) goToWanted();
    else tools.querySelector("button")?.focus();
  });

  /* The page as it was. */
  function quiet() {
    const { cells, session } = now;
    now = undefined;
    for (const cell of cells) cell.remove();
    words.replaceChildren();
    session.dispose();
  }

  async function restart() {
    const mine = now;
    mine.asked = true;
    say("Python is starting anew …");
    try {
      await mine.session.kernel.restart();
      if (mine === now) breakOff(new Restarted());
    } catch {
      if (mine === now) breakOff(new Trouble(`Python could not be started anew. ${KEPT}`));
    } finally {
      mine.asked = false;
    }
  }

  function end() {
    now.session.shutdown().catch(() => {});
    quiet();
    close();
  }

  // A kernel that nobody needs any more takes memory.
  addEventListener("pagehide", () => {
    if (now) about(now.session.kernel, { method: "DELETE", keepalive: true }).catch(() => {});
  });

  if (location.protocol === "file:") {
    panel.hidden = false;
    say("A page that was opened from a folder cannot talk to a server: see “make live”.");
  } else {
    opener.onclick = offer;
    offer();
  }
})();
