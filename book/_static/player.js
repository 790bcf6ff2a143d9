/* Animations under the reader's control: play, pause, step, scrub, speed.
 *
 * The build writes stills and controls into the page; this script brings them to
 * life. A GIF is fetched when it is asked for, or when it comes near a reader who is
 * there (has scrolled, moved or typed), and is decoded here, because a browser lets
 * nobody step through the GIFs that it plays itself. The controls, the speeds and the
 * default among them stand in book/_ext/pictures.py. It is a plain script and no
 * module: browsers load no modules from a folder without a server.
 */
(() => {
  "use strict";

  // Every so many frames all pixels are kept, to go back without starting over.
  const SNAPSHOT_EVERY = 16;
  const root = document.documentElement;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  // The stills in the page say from which width on a picture has its narrow form.
  const source = document.querySelector(".film source");
  const small = matchMedia(source ? source.media : "not all");

  /** A GIF, decoded frame by frame as needed. Frames only add to those before. */
  class Film {
    constructor(buffer) {
      this.bytes = new Uint8Array(buffer);
      const view = new DataView(buffer);
      const short = (at) => view.getUint16(at, true);
      if (String.fromCharCode(...this.bytes.subarray(0, 3)) !== "GIF")
        throw new Error("not a GIF");
      this.width = short(6);
      this.height = short(8);
      this.frames = [];
      this.snapshots = new Map();
      this.at = -1;
      this.image = new ImageData(this.width, this.height);
      this.pixels = new Uint32Array(this.image.data.buffer);

      const skipBlocks = (at) => {
        while (this.bytes[at]) at += this.bytes[at] + 1;
        return at + 1;
      };
      const sizeOf = (flags) => (flags & 0x80 ? 2 << (flags & 7) : 0);
      let at = 13 + 3 * sizeOf(this.bytes[10]);
      const common = this.readPalette(13, sizeOf(this.bytes[10]));
      let delay = 100;
      let transparent = -1;
      while (at < this.bytes.length && this.bytes[at] !== 0x3b) {
        if (this.bytes[at] === 0x21) {
          if (this.bytes[at + 1] === 0xf9) {
            delay = short(at + 4) * 10 || 100;
            transparent = this.bytes[at + 3] & 1 ? this.bytes[at + 6] : -1;
          }
          at = skipBlocks(at + 2);
        } else {
          const flags = this.bytes[at + 9];
          const own = sizeOf(flags);
          this.frames.push({
            left: short(at + 1),
            top: short(at + 3),
            width: short(at + 5),
            height: short(at + 7),
            interlaced: (flags & 0x40) !== 0,
            palette: own ? this.readPalette(at + 10, own) : common,
            data: at + 10 + 3 * own,
            delay,
            transparent,
          });
          at = skipBlocks(at + 10 + 3 * own + 1);
        }
      }
    }

    readPalette(at, size) {
      const colors = new Uint8ClampedArray(size * 4).fill(255);
      for (let i = 0; i < size; i++)
        colors.set(this.bytes.subarray(at + 3 * i, at + 3 * i + 3), 4 * i);
      return new Uint32Array(colors.buffer);
    }

    /** Return the color numbers of a frame: GIF's variant of LZW, undone. */
    unpack(frame) {
      const { bytes } = this;
      const out = new Uint8Array(frame.width * frame.height);
      const prefix = new Uint16Array(4096);
      const suffix = new Uint8Array(4096);
      const stack = new Uint8Array(4097);
      let at = frame.data;
      const size = bytes[at++];
      const clear = 1 << size;
      for (let i = 0; i < clear; i++) suffix[i] = i;
      let left = bytes[at++];
      let [width, next, last, first] = [size + 1, clear + 2, -1, 0];
      let [held, bits, count] = [0, 0, 0];
      while (count < out.length) {
        while (bits < width) {
          if (left === 0 && (left = bytes[at++]) === 0) return out;
          held |= bytes[at++] << bits;
          bits += 8;
          left--;
        }
        const code = held & ((1 << width) - 1);
        held >>>= width;
        bits -= width;
        if (code === clear) {
          [width, next, last] = [size + 1, clear + 2, -1];
          continue;
        }
        if (code === clear + 1) break;
        let depth = 0;
        let part = code;
        if (last >= 0 && code >= next) {
          stack[depth++] = first;
          part = last;
        }
        while (part > clear) {
          stack[depth++] = suffix[part];
          part = prefix[part];
        }
        stack[depth++] = first = suffix[part];
        while (depth) out[count++] = stack[--depth];
        if (last >= 0 && next < 4096) {
          prefix[next] = last;
          suffix[next++] = first;
          if (next === 1 << width && width < 12) width++;
        }
        last = code;
      }
      return out;
    }

    /** Lay a frame over what is there. */
    lay(frame) {
      const indices = this.unpack(frame);
      const passes = frame.interlaced
        ? [[0, 8], [4, 8], [2, 4], [1, 2]]
        : [[0, 1]];
      let from = 0;
      for (const [start, step] of passes) {
        for (let y = start; y < frame.height; y += step) {
          let to = (frame.top + y) * this.width + frame.left;
          for (const end = to + frame.width; to < end; to++) {
            const index = indices[from++];
            if (index !== frame.transparent) this.pixels[to] = frame.palette[index];
          }
        }
      }
    }

    /** Return the picture of a frame as ImageData. */
    show(number) {
      if (number < this.at) {
        this.at = number - (number % SNAPSHOT_EVERY);
        while (this.at >= 0 && !this.snapshots.has(this.at)) this.at -= SNAPSHOT_EVERY;
        if (this.at >= 0) this.pixels.set(this.snapshots.get(this.at));
        else [this.at] = [-1, this.pixels.fill(0)];
      }
      while (this.at < number) {
        this.lay(this.frames[++this.at]);
        if (this.at % SNAPSHOT_EVERY === 0 && !this.snapshots.has(this.at))
          this.snapshots.set(this.at, this.pixels.slice());
      }
      return this.image;
    }
  }

  class Player {
    constructor(box) {
      const find = (name) => box.querySelector(`.film-${name}`);
      this.box = box;
      this.screen = find("screen");
      this.play = find("play");
      this.back = find("back");
      this.forward = find("forward");
      this.scrubber = find("scrubber");
      this.place = find("place");
      this.speed = find("speed");
      this.status = find("status");
      this.at = Number(this.scrubber.value) - 1;
      this.count = Number(this.scrubber.max);
      this.untouched = true; // until it has played or moved, playing starts at the start
      this.mayStart = true; // by itself, until the reader has paused it
      this.near = this.inView = this.playing = this.plain = false;

      this.play.addEventListener("click", () => this.toggle());
      this.screen.addEventListener("click", () => this.toggle());
      this.back.addEventListener("click", () => this.step(-1));
      this.forward.addEventListener("click", () => this.step(1));
      // Before the browser moves it: it goes on from where the film is, and a film that
      // is already there stops.
      let before;
      this.scrubber.addEventListener("pointerdown", () => {
        this.pause();
        before = this.at;
      });
      // A finger that scrolls the page had moved it when it came down.
      this.scrubber.addEventListener("pointercancel", () => this.go(before));
      this.scrubber.addEventListener("keydown", ({ key }) => {
        if (/^(Arrow|Page|Home|End)/.test(key)) this.pause();
      });
      this.scrubber.addEventListener("input", () => {
        const to = Number(this.scrubber.value) - 1; // pausing sets it to where the film is
        this.pause();
        this.go(to);
      });
      for (const control of box.querySelectorAll(".film-controls [disabled]"))
        control.disabled = false;
      this.tell();
    }

    /** Return the name of the GIF that fits the page. */
    fitting(theme = root.dataset.theme === "dark" ? "Dark" : "Light") {
      return small.matches ? `narrow${theme}` : theme.toLowerCase();
    }

    /** Fetch the GIF that fits the page, unless it is there. */
    async load() {
      const source = this.fitting();
      if (this.source === source) return this.loading;
      this.source = source;
      this.box.dataset.state = "loading";
      this.loading = (async () => {
        try {
          // Asking would be refused, with an error in the console.
          if (location.protocol === "file:") throw new Error("no server");
          const answer = await fetch(this.box.dataset[source]);
          if (!answer.ok) throw new Error(`${answer.status}`);
          const film = new Film(await answer.arrayBuffer());
          if (this.source !== source) return this.loading; // another fits by now
          this.film = film;
        } catch {
          // From a folder without a server: the browser shows the GIF, as it can.
          this.plain = true;
          this.film = null;
          this.box.dataset.plain = "";
        }
        delete this.box.dataset.state;
      })();
      return this.loading;
    }

    draw() {
      if (!this.film) return;
      if (!this.canvas) {
        this.canvas = document.createElement("canvas");
        // The still below says in words what is to be seen.
        this.canvas.setAttribute("aria-hidden", "true");
        this.screen.append(this.canvas);
      }
      if (this.canvas.width !== this.film.width)
        [this.canvas.width, this.canvas.height] = [this.film.width, this.film.height];
      this.canvas.getContext("2d").putImageData(this.film.show(this.at), 0, 0);
    }

    /** Show where the film is. */
    tell() {
      const text = `${this.at + 1} / ${this.count}`;
      this.place.textContent = text;
      this.scrubber.value = this.at + 1;
      if (!this.playing)
        this.scrubber.setAttribute("aria-valuetext", `${this.at + 1} of ${this.count}`);
    }

    /** Say it to those who listen. */
    say() {
      this.status.textContent = `Frame ${this.at + 1} of ${this.count}`;
    }

    async go(number) {
      this.untouched = false;
      this.at = Math.min(Math.max(number, 0), this.count - 1);
      this.tell();
      await this.load();
      this.draw();
    }

    step(by) {
      this.pause();
      this.go((this.at + by + this.count) % this.count);
      this.say();
    }

    toggle() {
      if (this.playing) {
        this.pause();
        if (!this.plain) this.say();
      } else {
        this.start();
      }
    }

    async start() {
      if (this.playing) return;
      this.playing = true;
      this.mark();
      await this.load();
      if (!this.playing) return;
      if (this.plain) return this.swap();
      if (this.untouched || this.at === this.count - 1) this.at = 0;
      this.untouched = false;
      this.tick();
    }

    tick() {
      this.draw();
      this.tell();
      const wait = this.film.frames[this.at].delay / Number(this.speed.value);
      this.timer = setTimeout(() => {
        this.at = (this.at + 1) % this.count;
        this.tick();
      }, wait);
    }

    /** Stop because the reader wants it, or (`resting`) because nobody sees it. */
    pause(resting = false) {
      if (!resting) this.mayStart = false;
      if (!this.playing) return;
      this.playing = false;
      clearTimeout(this.timer);
      this.mark();
      this.tell();
      if (this.plain) this.swap();
    }

    mark() {
      this.play.setAttribute("aria-label", this.playing ? "Pause" : "Play");
      this.box.toggleAttribute("data-playing", this.playing);
    }

    /** Where frames cannot be decoded: the GIF while playing, else the still. */
    swap() {
      for (const still of this.screen.querySelectorAll("img")) {
        const source = still.previousElementSibling;
        still.dataset.still ??= (small.matches && source?.srcset) || still.getAttribute("src");
        source?.remove(); // it would have its way
        const theme = still.classList.contains("on-dark") ? "Dark" : "Light";
        still.src = this.playing ? this.box.dataset[this.fitting(theme)] : still.dataset.still;
      }
    }

    /** Load or play what is to be seen, if a reader is there. */
    consider() {
      if (!readerIsThere || navigator.connection?.saveData || calm.matches) return;
      if (this.near) this.load();
      if (this.inView && this.mayStart) this.start();
    }

    async follow() {
      if (!this.source || this.plain) return;
      await this.load();
      if (this.canvas) this.draw();
    }
  }

  const players = new Map();
  let readerIsThere = false;

  for (const box of document.querySelectorAll(".film"))
    players.set(box, new Player(box));
  if (!players.size) return;

  const watch = (note, options) => {
    const observer = new IntersectionObserver((entries) => {
      for (const entry of entries) note(players.get(entry.target), entry);
    }, options);
    for (const box of players.keys()) observer.observe(box);
  };
  watch(
    (player, entry) => {
      player.near = entry.isIntersecting;
      player.consider();
    },
    { rootMargin: "300px" },
  );
  watch(
    (player, entry) => {
      player.inView = entry.intersectionRatio >= 0.5;
      if (player.inView) player.consider();
      else player.pause(true);
    },
    { threshold: [0, 0.5] },
  );

  const signs = ["scroll", "pointermove", "pointerdown", "keydown", "touchstart"];
  const arrive = (event) => {
    // A page that is laid out below a mouse at rest hears of it, too.
    const rests = event.type === "pointermove" && !event.movementX && !event.movementY;
    if (rests) return;
    readerIsThere = true;
    for (const sign of signs) removeEventListener(sign, arrive);
    for (const player of players.values()) player.consider();
  };
  for (const sign of signs) addEventListener(sign, arrive, { passive: true });

  calm.addEventListener("change", () => {
    if (calm.matches) for (const player of players.values()) player.pause(true);
  });
  const follow = () => {
    for (const player of players.values()) player.follow();
  };
  new MutationObserver(follow).observe(root, { attributeFilter: ["data-theme"] });
  small.addEventListener("change", follow);
})();
