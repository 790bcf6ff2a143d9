"""The built book: every chapter ran, every number is there, every answer is right."""

import os
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
import torch
import yaml
from bs4 import BeautifulSoup
from building import BUILD, ROOT
from PIL import Image
from selectolax.lexbor import LexborHTMLParser

from book import glued, source, table_of_contents, with_cells, with_exercises

sys.path.append(str(ROOT / "book" / "_ext"))

from descent.exercises import verdict
from descent.exercises.answers import described
from descent.exercises.checking import labels
from descent.exercises.health import DIAGNOSES
from descent.page.narrow import NARROW
from repairs import IN_TEMPLATES
from site_check import gaps

PAGES = table_of_contents()
SOURCES = {page: source(page) for page in PAGES}
WITH_CELLS = with_cells()
LESSONS = with_exercises()

# Pages whose text is about an error that they show.
SHOW_A_TRACEBACK: set[str] = set()


@pytest.fixture(scope="module")
def pages(site) -> dict[str, BeautifulSoup]:
    """Return every page of the table of contents, parsed."""
    return {
        page: BeautifulSoup((site / f"{page}.html").read_text("utf8"), "html.parser")
        for page in PAGES
    }


def executed(page: str) -> dict:
    """Return a chapter as it was executed, in this build or in an earlier one."""
    path = BUILD / "jupyter_execute" / f"{page}.ipynb"
    return nbformat.read(path, as_version=4)


def test_the_site_has_no_gap(site):
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))
    assert list(gaps(site, config["html"]["baseurl"])) == []


def test_every_page_of_the_folder_is_in_the_book():
    assert {path.stem for path in (ROOT / "book").glob("*.md")} == set(PAGES)


@pytest.mark.parametrize("page", WITH_CELLS)
def test_a_chapter_ran_from_its_first_cell_to_its_last(page):
    code = [cell for cell in executed(page)["cells"] if cell["cell_type"] == "code"]
    assert code
    counts = [
        cell["execution_count"] for cell in code if "".join(cell["source"]).strip()
    ]
    assert counts == list(range(1, len(counts) + 1))


def test_a_traceback_is_only_where_the_text_is_about_it(pages):
    with_traceback = {
        name for name, page in pages.items() if "most recent call last" in page.text
    }
    assert with_traceback <= SHOW_A_TRACEBACK
    for page in WITH_CELLS:
        for cell in executed(page)["cells"]:
            if any(o["output_type"] == "error" for o in cell.get("outputs", [])):
                assert "raises-exception" in cell["metadata"]["tags"]


@pytest.mark.parametrize("page", WITH_CELLS)
def test_every_number_in_the_text_came_from_a_cell(page, pages):
    wanted = re.findall(r"\{glue:text\}`([^`:]+)", SOURCES[page])
    have = glued(page)
    assert set(wanted) <= set(have)
    main = pages[page].find("main")
    assert len(main.select(".pasted-text")) >= len(wanted)
    assert "{glue" not in main.text


def test_every_figure_has_a_caption_and_an_alternative(pages):
    seen = 0
    for name, page in pages.items():
        for figure in page.select("main figure"):
            seen += 1
            caption = figure.find("figcaption")
            assert caption is not None, name
            assert len(caption.text.split()) >= 8, f"{name}: {caption.text}"
            for image in figure.find_all("img"):
                assert len(image["alt"].split()) >= 5, f"{name}: {image['alt']}"
                assert int(image["width"]) > 0
                assert int(image["height"]) > 0
    assert seen >= 25


def test_every_animation_has_stills_and_fits_its_budget(site, pages):
    films = [film for page in pages.values() for film in page.select(".film")]
    assert len(films) >= 6
    for film in films:
        screen = film.select_one(".film-screen")
        wide = [image["src"] for image in screen.select("picture img")][:2]
        narrow = [source["srcset"] for source in screen.select("picture source")][:2]
        assert film.select_one("noscript img")["src"] == film["data-light"]
        (calm,) = film.select('noscript source[media$="print"]')
        assert calm["srcset"] == wide[0]
        count = int(film.select_one(".film-scrubber")["max"])
        grounds = []
        for theme, still, narrow_still in zip(
            ("light", "dark"), wide, narrow, strict=True
        ):
            for moving, picture, across in (
                (film[f"data-{theme}"], still, 1200),
                (film[f"data-narrow-{theme}"], narrow_still, 660),
            ):
                file = site / moving
                assert file.stat().st_size <= 700_000, moving
                with Image.open(file) as gif, Image.open(site / picture) as png:
                    assert gif.width >= across
                    assert gif.n_frames == count > 10
                    assert png.size == gif.size
                    ground = png.convert("L").getpixel((0, 0))
            grounds.append(ground)
        assert grounds[0] > 240
        assert grounds[1] < 24


def test_notebooks_leave_out_the_pictures_for_phones(site):
    notebooks = list((site / "notebooks").glob("*.ipynb"))
    assert len(notebooks) == len(WITH_CELLS)
    for path in notebooks:
        assert NARROW not in path.read_text("utf8"), path.name


# --- Anatomy ---------------------------------------------------------------------


@pytest.mark.parametrize("page", LESSONS)
def test_a_chapter_promises_sums_up_and_asks(page):
    text = SOURCES[page]
    assert "What you will be able to do" in text
    assert re.search(r"^## Summary", text, re.MULTILINE)
    exercises = re.findall(r"^`{3,}\{exercise\}", text, re.MULTILINE)
    solutions = re.findall(r"^`{3,}\{solution\}", text, re.MULTILINE)
    assert 2 <= len(exercises) <= 4
    assert len(solutions) == len(exercises)
    assert "check(" in text


@pytest.mark.parametrize("page", LESSONS)
def test_solutions_are_hidden_until_asked_for(page, pages):
    solutions = pages[page].select("main .solution")
    assert len(solutions) == source(page).count("{solution}") >= 2
    closed = pages[page].select("main details.solution.dropdown:not([open])")
    assert len(closed) == len(solutions)
    assert all(solution.select("summary:first-child") for solution in closed)


# --- Exercises --------------------------------------------------------------------

SOLUTION = re.compile(
    r"^(`{3,})\{solution\} (?P<label>[\w-]+)\n(?P<body>.*?)^\1\s*$",
    re.MULTILINE | re.DOTALL,
)
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
CHECK = re.compile(r"check\(\s*\"([\w-]+)\",\s*([^)]+?)\s*\)")


def solutions() -> dict[str, tuple[str, str]]:
    """Return for each checked exercise its solution's code and the checked name."""
    found = {}
    for text in SOURCES.values():
        checked = dict(CHECK.findall(text))
        for match in SOLUTION.finditer(text):
            code = "\n".join(PYTHON.findall(match["body"]))
            if match["label"] in checked:
                found[match["label"]] = (code, checked[match["label"]])
    return found


def test_every_check_belongs_to_an_exercise_with_a_solution_in_code():
    assert set(solutions()) == set(labels())


@pytest.mark.parametrize("label", sorted(labels()))
def test_the_books_own_solution_is_right(label):
    code, answer = solutions()[label]
    names = {"torch": torch}
    exec(compile(code, f"solution of {label}", "exec"), names)
    found = verdict(label, eval(answer, names))
    assert found.right, found.message


@pytest.mark.parametrize("page", LESSONS)
def test_a_hint_stands_closed_before_each_solution(page, pages):
    for solution in pages[page].select("main details.solution"):
        hint = solution.find_previous_sibling(class_="admonition")
        assert hint.name == "details"
        assert not hint.has_attr("open")
        assert "hint" in hint["class"], solution.text[:60]
        assert 5 <= len(hint.text.split()) <= 80


@pytest.mark.parametrize("page", LESSONS)
def test_below_a_cell_of_an_exercise_stand_a_field_or_its_output_and_links(page, pages):
    notebook = nbformat.read(BUILD / "notebooks" / f"{page}.ipynb", as_version=4)
    cells = {cell.id: cell.source for cell in notebook.cells}
    solved_in_code = set()
    for exercise in pages[page].select("main .exercise"):
        solution = exercise.find_next_sibling(class_="solution")
        between = BeautifulSoup("", "html.parser")
        for part in list(exercise.find_next_siblings()):
            if part is solution:
                break
            between.append(part.__copy__())
        label = exercise["id"]
        links = [link["href"] for link in between.select(".exercise-places a")]
        if between.select_one(".cell_input") is None:
            assert not links
            continue
        solved_in_code.add(label)
        binder, colab = links
        assert binder.endswith(f"?urlpath=lab/tree/{page}.ipynb")
        assert colab.endswith(f"{page}.ipynb#scrollTo={label}")
        assert cells[label].strip() == between.select(".cell_input")[-1].text.strip()
        assert between.select_one(f"button[data-live-cell={label}]").has_attr("hidden")
        asked = described(label)
        form = between.select_one("form.answer")
        assert (form is None) == (asked is None)
        output = between.select(".cell")[-1].select_one(".cell_output")
        assert (output is None) == (asked is not None or label not in labels())
        for field in (asked or {"fields": []})["fields"]:
            for option in field.get("options", ()):
                # Offered on the page is what the chapter speaks of.
                assert option in SOURCES[page] + "".join(map(str, DIAGNOSES)), option
    assert {label for label in labels() if label in cells} <= solved_in_code


@pytest.mark.parametrize("page", LESSONS)
def test_an_exercise_is_unanswered_on_the_page(page, pages):
    asked = [c for c in executed(page)["cells"] if CHECK.search("".join(c["source"]))]
    for cell in asked:
        if cell["cell_type"] == "code":
            said = "".join(text for o in cell["outputs"] for text in o["text"])
            assert "Not answered yet" in said


# --- Numbers the book must get -------------------------------------------------------


def test_numbers_of_the_source_that_reproduce():
    values = {k: v for page in WITH_CELLS for k, v in glued(page).items()}
    # (Where a sentence has its own minus sign, the number is glued without.)
    shown = {f"{abs(v):.4f}" for v in values.values() if isinstance(v, float)}
    assert {"0.0075", "0.5364", "1.7641", "0.4002", "8.9430"} <= shown
    assert {"0.0869", "0.0820", "0.8747", "0.1000"} <= shown


# --- The notebooks (what they say, tests/launch compares) -----------------------------


def test_launch_buttons_follow_the_one_setting(pages):
    config = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]
    slug = os.environ.get("GITHUB_REPOSITORY") or (
        config["url"].removeprefix("https://github.com/")
    )
    for name in WITH_CELLS:
        links = [a["href"] for a in pages[name].select("a[href]")]
        binder = f"https://mybinder.org/v2/gh/{slug}/environment"
        assert f"{binder}?urlpath=lab/tree/{name}.ipynb" in links
        colab = f"https://colab.research.google.com/github/{slug}/blob/notebooks"
        assert f"{colab}/{name}.ipynb" in links
        assert f"notebooks/{name}.ipynb" in links


MADE_BY_THE_BUILD = {"genindex", "search", "404"}


def test_no_page_left_over_from_elsewhere(site):
    built = {Path(p).stem for p in site.glob("*.html")} - MADE_BY_THE_BUILD
    assert built == set(PAGES)


# --- What a page says of itself -------------------------------------------------------


def test_every_page_has_a_description_of_its_own_of_a_length_that_is_shown(site):
    descriptions = {}
    for path in site.glob("*.html"):
        if path.stem == "404":
            continue
        page = LexborHTMLParser(path.read_text("utf8"))
        said = {
            of: [meta.attributes["content"] for meta in page.css(f"head {of}")]
            for of in ('[name="description"]', '[property="og:description"]')
        }
        (text,) = said['[name="description"]']
        assert 60 <= len(text) <= 155, (path.name, text)
        assert said['[property="og:description"]'] == [text]
        descriptions[text] = path.name
    assert len(descriptions) == len(PAGES) + len(MADE_BY_THE_BUILD) - 1


def test_links_to_terms_and_works_come_with_what_these_say(pages):
    counted = {"glossary": 0, "references": 0}
    for name, page in pages.items():
        said = {box["id"]: box for box in page.select("article [popover]")}
        for link in page.select("article a.reference.internal[href]"):
            to, _, entry = link["href"].partition("#")
            to = to.removesuffix(".html") or name
            if link.find_parent(attrs={"popover": True}) or to not in counted:
                continue
            if not entry or (to == "glossary" and not entry.startswith("term-")):
                continue
            text = said[f"meaning-{entry}"].get_text(" ", strip=True)
            assert len(text.split()) >= 8, (name, entry)
            # No command, label or key of the source is left over.
            assert not re.search(r"\\|\bch-|\bfig-|_\{", text), (name, text)
            counted[to] += 1
    assert counted["glossary"] > 200
    assert counted["references"] > 50


def test_terms_and_works_lead_back_to_every_page_that_links_them(pages):
    linked, back = set(), set()
    for name, page in pages.items():
        for link in page.select("article a.reference.internal[href*='#']"):
            to, _, entry = link["href"].partition("#")
            to = to.removesuffix(".html")
            if link.find_parent(attrs={"popover": True}):
                continue
            if link.find_parent(class_="backlinks"):
                entry = entry.removeprefix("leads-to-")
                back.add((name, entry, to))
                assert pages[to].find(id=f"leads-to-{entry}")["href"].endswith(entry)
            elif to in {"glossary", "references"} and to != name:
                linked.add((to, entry, name))
    assert len(linked) > 200
    # (A link to the whole list is no link to an entry.)
    assert back == {(to, entry, name) for to, entry, name in linked if entry != to}


def test_the_map_lists_every_page_of_the_book(site):
    first = LexborHTMLParser((site / "index.html").read_text("utf8"))
    canonical = first.css_first('[rel="canonical"]').attributes["href"]
    base = str(canonical).removesuffix("index.html")
    assert base.startswith("https://")
    listed = ElementTree.parse(site / "sitemap.xml").findall(".//{*}loc")
    assert {loc.text for loc in listed} == {f"{base}{page}.html" for page in PAGES}


def test_the_card_shows_the_first_animation(site):
    with Image.open(site / "_static" / "card.png") as image:
        assert image.size == (1200, 630)
        colors = image.convert("RGB").crop((0, 160, 1200, 620)).getcolors(1 << 20)
    assert len(colors) > 50


def test_tables_and_lists_of_works_are_written_as_they_are(site, pages):
    for page in pages.values():
        assert [h for h in page.select("main th") if not h.text.strip()] == []
        assert page.select('[role="list"], [role="doc-biblioentry"]') == []
    works = pages["references"].select(".citation-list > .citation")
    assert len(works) == (ROOT / "book" / "references.bib").read_text().count("\n@")


def test_every_repair_of_a_template_still_repairs_something(site):
    texts = [path.read_text("utf8") for path in site.glob("*.html")]
    for wrong, right in IN_TEMPLATES.items():
        assert any(right in text for text in texts), f"repairs nothing: {wrong}"
        assert not any(wrong in text for text in texts), wrong


@pytest.mark.parametrize("page", LESSONS)
def test_a_chapter_says_how_long_it_takes_and_takes_no_more_than_an_hour(page, pages):
    if page == "index":
        return
    said = pages[page].select_one("main .reading-time").get_text()
    minutes, exercises = map(
        int,
        re.fullmatch(
            r"About (\d+) minutes to read; (\d+) exercises? .*", said
        ).groups(),
    )
    assert exercises == len(pages[page].select("main .exercise"))
    words = pages[page].select_one("main article").get_text().split()
    # Between a quick and a slow reader of all words, code and solutions included.
    assert len(words) / 600 < minutes < len(words) / 90
    assert minutes <= 60


def test_no_style_asks_what_stands_inside(site):
    # A browser then looks at all that stands around a figure whenever it changes.
    sheet = (site / "_static" / "book.css").read_text("utf8")
    assert ":has(" not in sheet
    figures = (site / "_static" / "explorables" / "explorables.css").read_text("utf8")
    # Until a script is there that knows which figure is to stand alone.
    assert figures.count(":has(") == figures.count(":not(.ex-ready):has(") == 3
