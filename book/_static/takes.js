/* One player for several takes of a piece: it switches between them while it plays.
 *
 * The build writes the player (book/_ext/sounds.py), with its length; nothing loads
 * before it is asked to play. A sound comes as a script that calls `descentSound`,
 * because from a folder without a server no script may read a file. The takes share
 * one clock, the audio context's, and change over within a hundredth of a second.
 */
(() => {
  "use strict";
  const CHANGE = 0.01; // seconds
  const arriving = new Map();
  const sounds = new Map();
  let context, sounding;

  window.descentSound = (name, data) => arriving.get(name)(data);

  /** The decoded sound of a script; it is loaded once. */
  const load = (address) => {
    if (!sounds.has(address)) {
      const name = address.split("/").pop().replace(".js", "");
      const script = document.createElement("script");
      const sound = new Promise((resolve, reject) => {
        arriving.set(name, resolve);
        script.onerror = reject;
      }).then((data) => {
        const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
        return context.decodeAudioData(bytes.buffer);
      });
      sound.catch(() => sounds.delete(address)); // the next press tries again
      sounds.set(address, sound);
      script.src = address;
      document.head.append(script);
    }
    return sounds.get(address);
  };

  const clock = (seconds) =>
    `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

  class Takes {
    constructor(box) {
      this.box = box;
      this.seconds = Number(box.dataset.seconds);
      this.button = box.querySelector("button");
      this.slider = box.querySelector(".takes-place");
      this.time = box.querySelector(".takes-time");
      this.whole = this.time.textContent.split("/")[1];
      this.status = box.querySelector("[role=status]");
      this.choices = [...box.querySelectorAll("input[type=radio]")];
      this.from = 0; // the place at which the sound began, or rests
      this.playing = false;

      this.button.addEventListener("click", () =>
        this.playing ? this.pause() : this.play(),
      );
      this.slider.addEventListener("input", () => this.seek(Number(this.slider.value)));
      // A finger that scrolls the page had moved it when it came down.
      let before;
      this.slider.addEventListener("pointerdown", () => (before = this.place));
      this.slider.addEventListener("pointercancel", () => this.seek(before));
      for (const choice of this.choices) {
        choice.addEventListener("change", () => {
          this.choose();
          if (this.playing) this.change();
        });
        const picture = choice.parentElement.nextElementSibling;
        picture.addEventListener("click", (event) => {
          const { left, width } = picture.getBoundingClientRect();
          choice.checked = true;
          this.choose();
          this.seek((this.seconds * (event.clientX - left)) / width);
        });
      }
      this.choose();
      this.show();
    }

    /** Mark the take that is chosen, for the style. */
    choose() {
      for (const choice of this.choices)
        choice.parentElement.classList.toggle("chosen", choice.checked);
    }

    get place() {
      return this.placeAt(context?.currentTime);
    }

    /** The place at a time of the clock, which runs on between two looks at it. */
    placeAt(time) {
      const run = this.source ? time - this.began : 0;
      return Math.min(this.from + Math.max(run, 0), this.seconds);
    }

    async play() {
      sounding?.pause();
      for (const audio of document.querySelectorAll("audio")) audio.pause();
      sounding = this;
      context ??= new AudioContext();
      this.playing = true;
      this.mark();
      context.resume();
      await this.change();
      for (const choice of this.choices)
        if (!navigator.connection?.saveData) load(choice.dataset.sound).catch(() => {});
    }

    /** Let the chosen take sound from where the piece is; the last one fades. */
    async change() {
      const { sound } = this.choices.find((choice) => choice.checked).dataset;
      let buffer;
      try {
        buffer = await load(sound);
      } catch {
        this.pause();
        this.status.textContent = "This sound could not be loaded.";
        return;
      }
      const chosen = this.choices.find((choice) => choice.checked).dataset.sound;
      if (!this.playing || chosen !== sound) return; // changed while it loaded
      const now = context.currentTime;
      const place = this.placeAt(now);
      this.silence();
      const gain = new GainNode(context);
      const source = new AudioBufferSourceNode(context, { buffer });
      source.connect(gain).connect(context.destination);
      source.onended = () => source === this.source && this.end();
      this.began = now;
      this.from = place;
      gain.gain.setValueAtTime(0, this.began);
      gain.gain.linearRampToValueAtTime(1, this.began + CHANGE);
      source.start(this.began, place);
      Object.assign(this, { source, gain });
      this.box.dataset.sounds = sound;
      this.show();
    }

    /** Let what sounds fade away. */
    silence() {
      if (!this.source) return;
      this.from = this.place;
      const end = context.currentTime + CHANGE;
      this.gain.gain.setValueAtTime(1, context.currentTime);
      this.gain.gain.linearRampToValueAtTime(0, end);
      this.source.stop(end);
      this.source = null;
    }

    pause() {
      this.silence();
      this.playing = false;
      if (sounding === this) sounding = null;
      this.mark();
      this.show();
    }

    end() {
      this.pause();
      this.seek(0);
    }

    seek(place) {
      this.silence();
      this.from = Math.min(Math.max(place, 0), this.seconds);
      this.show();
      if (this.playing) this.change();
    }

    mark() {
      this.button.setAttribute("aria-label", this.playing ? "Pause" : "Play");
      this.box.toggleAttribute("data-playing", this.playing);
      this.status.textContent = "";
      if (!this.playing) delete this.box.dataset.sounds;
    }

    /** Show the place, and again before the next frame while it moves. */
    show() {
      const place = this.place;
      this.box.style.setProperty("--place", place / this.seconds);
      this.slider.value = place;
      this.slider.ariaValueText = `${place.toFixed(1)} of ${this.seconds} seconds`;
      this.time.textContent = `${clock(place)} /${this.whole}`;
      cancelAnimationFrame(this.frame);
      if (this.source) this.frame = requestAnimationFrame(() => this.show());
    }
  }

  for (const box of document.querySelectorAll(".takes")) new Takes(box);
  // Players of the browser's own, as cells that run in the page may show.
  document.addEventListener("play", () => sounding?.pause(), true);
})();
