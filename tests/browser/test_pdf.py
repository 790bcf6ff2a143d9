"""The whole book as one PDF."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pikepdf
import pypdfium2 as pdfium
import pytest

from book import ROOT, SITE, table_of_contents, title, with_exercises


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the site for which the PDF was made."""
    site = tmp_path_factory.mktemp("printed") / "html"
    shutil.copytree(SITE, site, ignore=shutil.ignore_patterns("*.gif", "notebooks"))
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "make-pdf", site],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    # One line, and none of what browser and libraries say to themselves.
    assert re.fullmatch(r".*descent.pdf: [\d.]+ MB\n", done.stdout)
    assert done.stderr == ""
    return site


@pytest.fixture(scope="module")
def book(printed: Path) -> Iterator[pikepdf.Pdf]:
    with pikepdf.open(printed / "descent.pdf") as book:
        yield book


def test_it_has_every_chapter_in_order(book: pikepdf.Pdf):
    with book.open_outline() as outline:
        entries = [entry.title for entry in outline.root]
    wanted = [title(name) for name in table_of_contents()]
    # The site puts a chapter's number before its title.
    assert [re.sub(r"^\d+\. ", "", entry) for entry in entries] == wanted
    assert len(book.pages) > 100


def test_links_between_pages_lead_to_places_in_it(book: pikepdf.Pdf):
    inside, outside = 0, []
    for page in book.pages:
        for link in page.get("/Annots", []):
            action = link.get("/A", {})
            if "/Dest" in link or action.get("/S") == "/GoTo":
                inside += 1
            elif "/URI" in action:
                outside.append(str(action["/URI"]))
    assert inside > 500
    # Nothing that leads to a file on the machine that printed it.
    assert [address for address in outside if address.startswith("file:")] == []


def test_solutions_and_captions_are_printed_and_animations_stand_still(printed: Path):
    # (The GIFs were not even there when it was printed.)
    with closing(pdfium.PdfDocument(printed / "descent.pdf")) as document:
        text = "\n".join(page.get_textpage().get_text_range() for page in document)
    words = " ".join(text.split())
    # From the middle of a folded solution, and of a folded cell.
    assert "clip(model.parameters()) # once, when the sum" in words
    assert "left.plot(ms, along_m" in words
    # The words of bars that nobody can click.
    assert re.search("Show the code|Hide the code|Click to", words) is None
    # Each chapter's solutions come after all of its exercises.
    chapters = re.split(r"\bSolutions(?= Solution to Exercise)", words)
    assert len(chapters) == len(with_exercises()) + 1
    for before, after in pairwise(chapters):
        number = re.search(r"Solution to Exercise (\d+)\.", after)
        assert number
        assert f"Exercise {number[1]}.1 (" in before
        assert f"Solution to Exercise {number[1]}." not in before
    assert text.count("Figure ") > 50
    assert re.search(r"^Play\s*$", text, re.MULTILINE) is None


def test_the_first_page_leads_to_it(printed: Path):
    index = (printed / "index.html").read_text("utf8")
    assert 'href="descent.pdf"' in index
    assert not (printed / "whole-book.html").exists()
