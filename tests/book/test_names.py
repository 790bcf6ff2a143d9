"""What is seen is what is said: controls are called by the words that stand on them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selectolax.lexbor import LexborHTMLParser, LexborNode

CONTROLS = "a[href], button, summary, [role=button]"
# Not seen, or not said: a shortcut's keys stand beside the word that names a button.
APART = (
    ".visually-hidden, .sr-only, [aria-hidden=true], kbd, .search-button__kbd-shortcut"
)


def words(html: str) -> str:
    """Return the words that are seen of a control."""
    parsed = LexborHTMLParser(html)
    for node in parsed.css(APART):
        node.decompose()
    return " ".join((parsed.text(separator=" ") or "").split())


def controls(site: Path) -> Iterator[tuple[str, LexborNode]]:
    """Yield all controls of all pages, with the names of the pages."""
    pages = sorted(site.glob("*.html"))
    assert len(pages) > 15
    for path in pages:
        for node in LexborHTMLParser(path.read_text("utf8")).css(CONTROLS):
            yield path.stem, node


def misnamed(label: str | None, seen: str) -> bool:
    """Return whether a label lacks the words that are seen (WCAG 2.5.3)."""
    if label is None:
        return False
    return seen.casefold() not in " ".join(label.split()).casefold()


@pytest.mark.parametrize(
    ("label", "seen", "wrong"),
    [
        ("Toggle hidden content", "Show the code", True),
        ("Show the code of Figure 1.1", "show the  code", False),
        (None, "Show the code", False),
    ],
)
def test_a_label_without_the_visible_words_is_wrong(label, seen, wrong):
    assert misnamed(label, " ".join(seen.split())) == wrong


def test_labels_have_the_words_that_are_seen(site: Path):
    wrong = {
        (page, node.attributes.get("aria-label"), seen)
        for page, node in controls(site)
        if "aria-label" in node.attributes
        and misnamed(node.attributes["aria-label"], seen := words(node.html or ""))
    }
    assert wrong == set()


def test_what_unfolds_says_what_is_in_it(site: Path):
    """A list of a page's controls, as a screen reader gives it, tells them apart."""
    names: dict[tuple[str, str], int] = {}
    for page, node in controls(site):
        if node.tag == "summary" and "admonition-title" in (
            node.attributes.get("class") or ""
        ):
            name = " ".join(node.text().split())
            names[page, name] = names.get((page, name), 0) + 1
    solutions = [name for _, name in names if name.startswith("Solution to Exercise")]
    assert len(solutions) > 40
    assert any("of Figure 3." in name for _, name in names)
    same = {place: count for place, count in names.items() if count > 1}
    assert same == {}
