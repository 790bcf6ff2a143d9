"""Code on pages: what has a color has it, and nothing else is an element."""

import re

import yaml
from building import ROOT
from pygments.styles import get_style_by_name
from pygments.token import STANDARD_TYPES, Text

from book import SITE, with_cells
from code_colors import shortest_classes

SETTINGS = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))
OPTIONS = SETTINGS["sphinx"]["config"]["html_theme_options"]
STYLES = [
    get_style_by_name(OPTIONS[f"pygments_{scheme}_style"])
    for scheme in ("light", "dark")
]
CLASSES = shortest_classes(STYLES)

CODE = re.compile(r"<pre><span></span>(.*?)</pre>", re.DOTALL)


def look(style, kind):
    """Return how a token is written; without a color it has that of the text."""
    found = style.style_for_token(kind)
    return found | {"color": found["color"] or style.style_for_token(Text)["color"]}


def test_a_shorter_class_looks_the_same_light_and_dark():
    of_class = {name: kind for kind, name in STANDARD_TYPES.items() if name}
    assert set(CLASSES) == set(STANDARD_TYPES)
    for kind, name in CLASSES.items():
        other = of_class.get(name, Text)
        assert [look(style, kind) for style in STYLES] == [
            look(style, other) for style in STYLES
        ], kind


def test_pages_have_these_classes_and_no_two_beside_each_other():
    seen: set[str] = set()
    for name in with_cells():
        for code in CODE.findall((SITE / f"{name}.html").read_text("utf8")):
            seen.update(re.findall(r'<span class="([^"]*)">', code))
            assert not re.search(
                r'<span class="(\w+)">[^<]*</span><span class="\1">', code
            )
    assert {"k", "s", "c"} <= seen <= set(CLASSES.values())
    assert STANDARD_TYPES[Text] not in seen
