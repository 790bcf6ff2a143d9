"""The extensions run in an order that is written down, and follow a fork."""

import ast
import re

import pytest
from building import ROOT, cell

import order
from addresses import site_of

EXTENSIONS = sorted((ROOT / "book" / "_ext").glob("*.py"))


def test_every_place_in_the_order_has_a_name_and_every_name_a_place():
    names = {name for name in vars(order) if name.isupper()}
    table = set(re.findall(r"^([A-Z_]+) +`", order.__doc__, re.MULTILINE))
    used = set()
    for path in EXTENSIONS:
        for node in ast.walk(ast.parse(path.read_text("utf8"))):
            if isinstance(node, ast.Call):
                for keyword in node.keywords:
                    if keyword.arg == "priority" and ast.unparse(node.func) == (
                        "app.connect"
                    ):
                        assert isinstance(keyword.value, ast.Attribute), path.name
                        used.add(keyword.value.attr)
    assert names == table == used


def test_after_the_check_nothing_is_written_and_no_other_build_begins_before():
    values = [value for name, value in vars(order).items() if name.isupper()]
    assert sorted(values)[-2:] == [order.SITE_CHECK, order.UNLOCK]


@pytest.mark.parametrize(
    ("repository", "site"),
    [
        ("https://github.com/Ada/descent", "https://ada.github.io/descent/"),
        ("https://github.com/ada/ada.github.io", "https://ada.github.io/"),
    ],
)
def test_a_repository_is_published_at_its_owners_address(repository, site):
    assert site_of(repository) == site


def test_a_fork_names_itself_in_every_address(small_book, monkeypatch):
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("GITHUB_REPOSITORY", "ada/my-descent")
    small_book.chapter("page", cell("1 + 1"))
    outcome = small_book.build()
    assert outcome.status == 0, outcome.said
    site = "https://ada.github.io/my-descent/"
    page = small_book.page("page")
    assert f'<link rel="canonical" href="{site}page.html"' in page
    assert f'<meta property="og:url" content="{site}page.html"/>' in page
    assert f'<meta property="og:image" content="{site}_static/card.png"/>' in page
    assert f'<form action="{site}search.html"' in small_book.page("404")
    assert f"<loc>{site}page.html</loc>" in (small_book.html / "sitemap.xml").read_text(
        "utf8"
    )
    texts = [path.read_text("utf8") for path in small_book.html.glob("*.html")]
    assert not any("descent-book" in text for text in texts)
