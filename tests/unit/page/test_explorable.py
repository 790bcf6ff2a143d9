import json
import re
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from descent.page.explorable import explorable, take_apart
from descent.page.explorable.bundle import bundle, explorable_modules, style
from descent.page.figures import DARK, ORANGE, new_figure


def carried(found) -> dict:
    """Return the data as a reader of the file gets them."""
    root = ElementTree.fromstring(found.svg[found.svg.index("<svg") :])
    element = next(e for e in root if e.get("id") == "explorable")
    assert element.get("class") == found.name
    return json.loads(element.text)


def test_the_still_carries_the_data():
    figure, (ax,) = new_figure()
    ax.plot([1, 2])
    data = {
        "x": torch.tensor([0.1, 0.2]),
        "y": np.array([[1.0, 2.0], [3.0, 0.1]]),
        "words": ["a < b & c > d", "</svg>"],
        "number": np.float64(0.1),
        "nested": {"deep": (1, True, None)},
    }
    found = explorable("clip", figure, **data)
    assert carried(found) == {
        "x": [0.1, 0.2],  # not 0.10000000149011612
        "y": [[1.0, 2.0], [3.0, 0.1]],
        "words": ["a < b & c > d", "</svg>"],
        "number": 0.1,
        "nested": {"deep": [1, True, None]},
    }
    assert found._repr_svg_() == found.svg
    again = take_apart(found.svg)
    assert vars(again) == vars(found)
    assert take_apart(found.still) is None
    assert not plt.fignum_exists(figure.number)


def test_numbers_that_json_does_not_know():
    figure, _ = new_figure()
    values = np.array([1.0, np.nan, np.inf, -np.inf])
    assert carried(explorable("clip", figure, values=values)) == {
        "values": [1.0, None, float("inf"), float("-inf")]
    }


def test_words_stay_as_they_are():
    figure, _ = new_figure()
    data = {
        "Infinity": ["To Infinity", "Infinity", '"-Infinity', "\\", "NaN"],
        "number": float("inf"),
    }
    assert carried(explorable("clip", figure, **data)) == data


def test_a_notebook_gets_all_that_it_needs_and_no_more():
    figure, _ = new_figure()
    found = explorable("clip", figure, words="</script>")._repr_html_()
    assert "modules['clip'].main" in found
    assert "modules['race']" not in found
    assert found.count("</script>") == found.count("<script") == 2
    # No address but that of the still, which is inside.
    assert re.findall(r'(?:src|href)="(.{10})', found) == ["data:image"]


def test_a_bundle_refuses_what_it_does_not_understand():
    start = 'import { a } from "./a.js";\nexport function start(box) {}\n'
    sound = bundle({"a": "export const a = 1;\n", "start": start})
    assert "modules['a']" in sound
    with pytest.raises(ValueError, match=r"a\.js is imported, but missing"):
        bundle({"start": start})
    circle = 'import { start } from "./start.js";\nexport const a = 1;\n'
    with pytest.raises(ValueError, match="in a circle"):
        bundle({"a": circle, "start": start})
    with pytest.raises(ValueError, match=r"a\.js: not understood: export let a"):
        bundle({"a": "export let a = 1;\n", "start": start})
    renamed = start.replace("{ a }", "{ a as b }")
    with pytest.raises(ValueError, match=r"start\.js: not understood: import { a as b"):
        bundle({"a": "export const a = 1;\n", "start": renamed})


def test_a_bundle_leaves_out_what_only_readers_of_the_source_need():
    a = "// About it.\nexport function a() {\n  // Why.\n  return 'x // y';\n}\n"
    text = bundle({"a": a, "start": "export const start = 1;\n"}, ["a"])
    assert "return 'x // y';" in text
    assert "About" not in text
    assert "Why" not in text


def test_bad_input_is_named():
    figure, _ = new_figure()
    with pytest.raises(TypeError, match="still must be a matplotlib figure"):
        explorable("clip", None)
    with pytest.raises(ValueError, match=r"name must be one of .*clip.*, got 'base'"):
        explorable("base", figure)
    with pytest.raises(TypeError, match=re.escape("data['run'][1] must be numbers")):
        explorable("clip", figure, run=[1, object()])


def test_every_color_that_modules_and_rules_use_is_one_of_the_figures():
    sheet = style()
    light, dark = (
        dict(re.findall(r"--ex-(\w+): (#\w+);", line))
        for line in sheet.splitlines()[:2]
    )
    assert light["orange"] == ORANGE
    assert dark == {name: DARK[color] for name, color in light.items()}
    used = re.findall(
        r"var\(--ex-(\w+)\)", "".join([sheet, *explorable_modules().values()])
    )
    assert set(used) - {"color"} <= set(light)  # (a row of a table sets its own)
