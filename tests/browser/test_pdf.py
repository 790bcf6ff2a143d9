"""The whole book as one PDF."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader
from visiting import ROOT, SITE, table_of_contents


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the site for which the PDF was made."""
    site = tmp_path_factory.mktemp("printed") / "html"
    shutil.copytree(SITE, site, ignore=shutil.ignore_patterns("*.gif", "notebooks"))
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "make-pdf", site],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return site


@pytest.fixture(scope="module")
def book(printed: Path) -> PdfReader:
    return PdfReader(printed / "descent.pdf")


def titles() -> list[str]:
    """Return the titles of all pages, in the order in which they are read."""
    found = []
    for name in table_of_contents():
        page = BeautifulSoup((SITE / f"{name}.html").read_text("utf8"), "html.parser")
        heading = page.select_one("article h1")
        assert heading is not None
        found.append(heading.text.removesuffix("#").strip())
    return found


def test_it_has_every_chapter_in_order(book: PdfReader):
    outline = [
        str(entry.title) for entry in book.outline if not isinstance(entry, list)
    ]
    assert outline == titles()
    assert len(book.pages) > 100


def test_links_between_pages_lead_to_places_in_it(book: PdfReader):
    inside, outside = 0, []
    for page in book.pages:
        for note in page.get("/Annots") or []:
            link = note.get_object()
            action = link.get("/A", {})
            if "/Dest" in link or action.get("/S") == "/GoTo":
                inside += 1
            elif "/URI" in action:
                outside.append(str(action["/URI"]))
    assert inside > 500
    # Nothing that leads to a file on the machine that printed it.
    assert [address for address in outside if address.startswith("file:")] == []


def test_solutions_and_captions_are_printed_and_animations_stand_still(
    printed: Path, book: PdfReader
):
    # (The GIFs were not even there when it was printed.)
    text = "".join(page.extract_text() for page in book.pages)
    # From the middle of a hidden solution.
    assert "clip(model.parameters()) # once, when the sum" in " ".join(text.split())
    assert text.count("Figure ") > 50
    assert "\nPlay\n" not in text


def test_the_first_page_leads_to_it(printed: Path):
    index = (printed / "index.html").read_text("utf8")
    assert 'href="descent.pdf"' in index
    assert not (printed / "whole-book.html").exists()
