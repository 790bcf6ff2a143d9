/* The search: ranks the places of searchindex.js by where and how often they have what
   is asked for, and shows the words where they stand. */
(() => {
  "use strict";
  const FIRST = 15; // results that are shown at once
  const AROUND = 32; // words of an excerpt
  // How much a word in a heading counts, beside one in the text; in the page's title.
  const IN_TITLE = 6, IN_PAGE = 1.5;
  // Chapters come before what is there to look things up; what sums up comes later.
  const WEIGHTS = { glossary: 0.9, references: 0.6, api: 0.4 };
  const OTHER_PAGE = 0.5, SUMMING_UP = 0.6;

  const GREEK = {
    α: "alpha", β: "beta", γ: "gamma", ε: "epsilon", θ: "theta", λ: "lambda", μ: "mu",
    σ: "sigma", τ: "tau",
  };

  const { index: address } = document.currentScript.dataset;
  const field = document.querySelector(".bd-search-container input[name=q]");
  const list = document.getElementById("search-results");
  const status = document.getElementById("search-status");
  const stems = new Map();
  let book, stemmer, stopwords, typical, frequency;

  const stem = (word) => {
    const lower = word.toLowerCase();
    if (!stems.has(lower)) stems.set(lower, stemmer.stemWord(GREEK[lower] ?? lower));
    return stems.get(lower);
  };
  // The words of a text: where each stands, and its stem. The letter β is the word "beta".
  const WORD = /(\p{Script=Greek})|((?!\p{Script=Greek})[\p{L}\p{N}_])+/gu;
  const everyWord = (text) =>
    [...text.matchAll(WORD)].map(({ 0: word, index }) => ({ word, index, stem: stem(word) }));
  const words = (text) => everyWord(text).filter(({ word }) => !stopwords.has(word.toLowerCase()));
  const unnumbered = (title) => title.replace(/^[\d.]+\.\s/, "");

  const read = ({ stopwords: silent, pages }) => {
    [stemmer, stopwords] = [new Stemmer(), new Set(silent)];
    book = pages.flatMap(({ page, title: pageTitle, places }) =>
      places.map(([id, title, prose, code]) => {
        const name = words(unnumbered(title));
        const text = `${prose} ${code}`;
        const body = words(text);
        const [counts, exact] = [new Map(), new Map()];
        for (const { word, stem } of body) {
          counts.set(stem, (counts.get(stem) ?? 0) + 1);
          exact.set(word.toLowerCase(), (exact.get(word.toLowerCase()) ?? 0) + 1);
        }
        const chapter = pageTitle !== unnumbered(pageTitle);
        return {
          page, id, title, text, pageTitle, body, counts, exact,
          parts: [body.filter(({ index }) => index < prose.length), body.filter(({ index }) => index >= prose.length)],
          name: name.map(({ stem }) => stem),
          pageName: words(unnumbered(pageTitle)).map(({ stem }) => stem),
          weight: (WEIGHTS[page] ?? (chapter ? 1 : OTHER_PAGE))
            * (/Summary|Exercises/.test(title) ? SUMMING_UP : 1),
        };
      }));
    typical = book.reduce((sum, { body }) => sum + body.length, 0) / book.length;
    frequency = new Map();
    for (const { name, counts } of book)
      for (const word of new Set([...name, ...counts.keys()]))
        frequency.set(word, (frequency.get(word) ?? 0) + 1);
  };

  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const follow = (sequence, row) =>
    sequence.some((_, i) => row.every((word, j) => sequence[i + j] === word));

  // BM25, in which a word of a heading counts as several of the text.
  const score = (place, groups) => {
    const { name, pageName, counts, exact, body, weight } = place;
    const length = 0.6 + (0.4 * body.length) / typical;
    const parts = groups.map(({ word, group, rare }) => {
      // The word as it was asked for counts twice.
      const often = sum(group.map((word) => counts.get(word) ?? 0)) / 2 + (exact.get(word) ?? 0) / 2;
      const inside = (titles) => group.some((word) => titles.includes(word));
      const count = often / length + (inside(name) && IN_TITLE) + (inside(pageName) && IN_PAGE);
      return { rare, here: often > 0 || inside(name), part: (rare * count) / (count + 1.5) };
    });
    const here = sum(parts.map((part) => (part.here ? part.rare : 0)));
    if (!here) return { score: 0 };
    // Words that stand together are more than each of them somewhere.
    const row = groups.map(({ group }) => group[0]);
    let together = 1;
    if (row.join(" ") === name.join(" ")) together = 3;
    else if (follow(name, row)) together = 2;
    else if (row.length > 1 && follow(body.map(({ stem }) => stem), row)) together = 1.6;
    const all = sum(groups.map(({ rare }) => rare));
    const share = here / all;
    return { share, score: weight * together * share ** 2 * sum(parts.map(({ part }) => part)) };
  };

  const rank = (query) => {
    const asked = words(query).length ? words(query) : everyWord(query);
    const groups = asked.map(({ word, stem }) => {
      // What no place has may be the beginning of a word.
      const group = frequency.has(stem) || word.length < 3 ? [stem]
        : [...frequency.keys()].filter((known) => known.startsWith(word.toLowerCase()));
      const places = Math.min(sum(group.map((word) => frequency.get(word) ?? 0)), book.length);
      return { word: word.toLowerCase(), group, rare: Math.log(1 + (book.length - places + 0.5) / (places + 0.5)), places };
    }).filter(({ places }) => places);
    const results = book.map((place) => ({ place, ...score(place, groups) }));
    // Where all words are somewhere together, places that have but the common ones are noise.
    const least = results.some(({ share }) => share > 0.99) ? 0.5 : 0;
    return {
      asked: new Set(groups.flatMap(({ group }) => group)),
      results: results.filter(({ score, share }) => score && share > least)
        .sort((a, b) => b.score - a.score),
    };
  };

  // The first place with most of what was asked for: in code only if it has more of it.
  const excerpt = ({ text, parts: [prose, code] }, asked) => {
    let [body, best, most] = [prose.length ? prose : code, 0, 0];
    for (const part of [prose, code])
      part.forEach(({ stem }, i) => {
        if (!asked.has(stem)) return;
        const near = part.slice(i, i + AROUND / 2).map((word) => word.stem);
        const worth = new Set(near.filter((word) => asked.has(word))).size;
        if (worth > most) [body, best, most] = [part, i, worth];
      });
    const first = Math.max(0, best - AROUND / 8);
    const last = Math.min(body.length, first + AROUND);
    if (!body.length) return [];
    const start = first || body === code ? body[first].index : 0;
    const whole = body === prose && code.length ? code[0].index : text.length;
    const end = last < body.length ? body[last].index : whole;
    const parts = [first ? "… " : ""];
    let at = start;
    for (const { word, index, stem } of body.slice(first, last)) {
      if (!asked.has(stem)) continue;
      const mark = document.createElement("mark");
      mark.textContent = word;
      parts.push(text.slice(at, index), mark);
      at = index + word.length;
    }
    return [...parts, text.slice(at, end), last < body.length ? " …" : ""];
  };

  const item = ({ place, score }, asked) => {
    const { page, id, title, pageTitle, body } = place;
    const entry = document.createElement("li");
    const link = entry.appendChild(document.createElement("a"));
    link.textContent = title || pageTitle;
    // The page marks the words as they stand there.
    const forms = new Set(words(`${title} ${place.text}`)
      .filter(({ stem }) => asked.has(stem)).map(({ word }) => word.toLowerCase()));
    link.href = `${page}.html?q=${encodeURIComponent([...forms].join(" "))}${id && `#${id}`}`;
    link.dataset.score = score.toFixed(2);
    if (id && title) entry.append(Object.assign(document.createElement("span"),
      { className: "search-page", textContent: pageTitle }));
    const text = entry.appendChild(document.createElement("p"));
    text.append(...excerpt(place, asked));
    return entry;
  };

  const show = (query) => {
    const { asked, results } = rank(query);
    const pages = new Set(results.map(({ place }) => place.page)).size;
    list.replaceChildren(...results.slice(0, FIRST).map((result) => item(result, asked)));
    const [places, in_pages] = [results.length === 1 ? "place" : "places", pages === 1 ? "page" : "pages"];
    status.textContent = results.length
      ? `${results.length} ${places} on ${pages} ${in_pages}, the best first.`
      : `Nothing in the book has “${query}”.`;
    if (results.length > FIRST) {
      const more = Object.assign(document.createElement("button"), {
        type: "button", className: "btn btn-sm", textContent: `Show all ${results.length}` });
      more.onclick = () => {
        list.append(...results.slice(FIRST).map((result) => item(result, asked)));
        list.children[FIRST].querySelector("a").focus();
        more.parentElement.remove();
      };
      const last = list.appendChild(document.createElement("li"));
      last.append(more);
    }
  };

  const search = () => {
    const query = field.value.trim();
    history.replaceState(null, "", query ? `?q=${encodeURIComponent(query)}` : location.pathname);
    if (!query) {
      list.replaceChildren();
      status.textContent = "";
    } else if (book) show(query);
    else if (!document.getElementById("search-index")) {
      status.textContent = "Reading the book …";
      const script = Object.assign(document.createElement("script"),
        { id: "search-index", src: address, onload: () => { read(BOOK); search(); } });
      script.onerror = () => { status.textContent = "The index could not be loaded."; };
      document.head.append(script);
    }
  };

  field.value = new URLSearchParams(location.search).get("q") ?? "";
  field.form.addEventListener("submit", (event) => { event.preventDefault(); search(); });
  field.addEventListener("input", search);
  field.focus();
  field.select();
  search();
})();
