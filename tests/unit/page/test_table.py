"""Tables to sort and filter: whole without a script, escaped, and right when sorted."""

import html
import re

import pytest

from descent.page.table import sortable_table

ROWS = [
    {"name": "b & c", "size": 10, "home": "https://example.org/?a=1&b=2"},
    {"name": "<a>", "size": 9.5, "home": "x"},
    {"name": "none", "size": None, "home": "y"},
]
COLUMNS = {"Name": "name", "Size": "size", "Twice": lambda row: f"{row['name']}!"}


def markup(**options):
    return sortable_table(
        ROWS, COLUMNS, caption="What <it> holds", **options
    )._repr_html_()


def test_every_row_is_there_without_a_script():
    text = re.sub(r"<(script|style)>.*?</\1>", "", markup(), flags=re.DOTALL)
    cells = re.findall(r"<t[hd](?: [^>]*)?>(.*?)</t[hd]>", text)
    assert [html.unescape(cell) for cell in cells] == [
        *("Name", "Size", "Twice"),
        *("b & c", "10", "b & c!"),
        *("<a>", "9.5", "<a>!"),
        *("none", "", "none!"),
    ]
    assert "<a>" not in text
    assert "<caption><span>What &lt;it&gt; holds</span></caption>" in text


def test_links_are_escaped_and_lead_where_the_row_says():
    assert 'href="https://example.org/?a=1&amp;b=2">b &amp; c</a>' in markup(
        links={"Name": "home"}
    )


@pytest.mark.parametrize(
    ("rows", "columns", "links", "error", "message"),
    [
        ([], COLUMNS, None, ValueError, "rows"),
        (ROWS, {}, None, ValueError, "columns"),
        (ROWS, COLUMNS, {"Nome": "home"}, ValueError, "links"),
        (ROWS, {"Name": "nome"}, None, KeyError, "nome"),
    ],
)
def test_bad_input_is_refused_by_name(rows, columns, links, error, message):
    with pytest.raises(error, match=message):
        sortable_table(rows, columns, caption="", links=links)
