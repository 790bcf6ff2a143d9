// How the search weighs what it finds: as Sphinx does, but a chapter that is called by
// what was asked for comes first, before its entries in the glossary and the API.
var Scorer = {
  score: ([, title, , , score]) => {
    const asked = new URLSearchParams(location.search).get("q") ?? "";
    return title.toLowerCase() === asked.trim().toLowerCase() ? score + 200 : score;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
