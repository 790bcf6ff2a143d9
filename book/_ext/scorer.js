// How the search weighs what it finds. Sphinx's own numbers, but for titles: the
// chapter that is called by the searched word comes before the word's entries in the
// glossary and in the API reference, which count 100.
var Scorer = {
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 120,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
