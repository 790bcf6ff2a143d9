"""Below an exercise's cell: a field for the answer, and where else to solve it.

Where the answer is a number or a choice, the reader gives it on the page. The script
`answers.js` checks it with the description that `check` reads in a notebook
(`descent.exercises.answers`), which is put into the page, not in plain sight: one
who reads a source wants to see how a page is made, not what comes out. Below
every exercise with a cell stand links that open its notebook, in Colab at this cell.

A button with the attribute ``data-live-cell``, the exercise's label, is for a script
that makes the page's cells run. It is hidden until that script shows it.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx_exercise.nodes import solution_node

import order
from notebook_text import numbered
from notebooks import binder, colab
from scripts_of_nodes import script_for


class answer_form(nodes.General, nodes.Element):
    """What an exercise asks for: ``label``, ``number`` and the ``described`` answer."""


class exercise_places(nodes.General, nodes.Element):
    """Where the cell of an exercise can be run: ``label``, ``binder`` and ``colab``."""


def exercise_cells(doctree: nodes.document) -> Iterator[tuple[str, nodes.Element]]:
    """Yield the label of each exercise with code, and the cell that asks for it.

    Parameters
    ----------
    doctree : docutils.nodes.document
        A page. The cell is the last one before the exercise's solution.
    """
    for solution in doctree.findall(solution_node):
        label = solution["target_label"]
        before = solution.parent.children[: solution.parent.index(solution)]
        for node in reversed(before):
            if node.get("label") == label:  # the exercise itself
                break
            if node.get("nb_element") == "cell_code":
                yield label, node
                break


def _put_below_cells(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Put fields and links below the cells of exercises."""
    if app.builder.format != "html":
        return
    cells = list(exercise_cells(doctree))
    if not cells:
        return
    from descent.exercises.answers import described  # PyTorch, for seconds

    for label, cell in cells:
        cell["exercise"] = label
        section = cell.parent
        below = section.index(cell) + 1
        number = numbered(app, name, "exercise", [label])
        section.insert(
            below,
            exercise_places(
                label=label,
                number=number,
                binder=binder(app.config, name),
                colab=colab(app.config, name, label),
            ),
        )
        asked = described(label)
        if asked is None:
            continue
        for part in list(cell.children):
            if part.get("nb_element") == "cell_code_output":
                cell.remove(part)  # "Not answered yet."
        section.insert(below, answer_form(label=label, number=number, asked=asked))


def _field(key: str, asked: dict[str, Any]) -> str:
    """Return the HTML of a field."""
    label = f'<label for="{key}">{html.escape(asked["label"])}</label>'
    if "options" not in asked:
        return f'{label}<input id="{key}" autocomplete="off" spellcheck="false">'
    options = "".join(
        f"<option>{html.escape(name)}</option>" for name in asked["options"]
    )
    return (
        f'{label}<select id="{key}"><option value="">choose</option>{options}</select>'
    )


def _visit_form(translator: Any, node: answer_form) -> None:
    """Write the fields; `answers.js` makes them work."""
    label, asked = node["label"], node["asked"]
    data = base64.b64encode(json.dumps(asked).encode("ascii")).decode("ascii")
    fields = "".join(
        f"<p>{_field(f'answer-{label}-{place}', field)}</p>"
        for place, field in enumerate(asked["fields"])
    )
    translator.body.append(
        f'<form class="answer" data-answer="{label}" data-asked="{data}">{fields}'
        '<p><button type="submit">Check<span class="visually-hidden"> your answer to '
        f"exercise {node['number']}</span></button> <output></output></p></form>\n"
    )
    raise nodes.SkipNode


def _visit_places(translator: Any, node: exercise_places) -> None:
    """Write the links, and the button for a script that runs cells."""
    of = f'<span class="visually-hidden"> (exercise {node["number"]})</span>'
    translator.body.append(
        '<p class="exercise-places">Run this cell: '
        f'<button type="button" data-live-cell="{node["label"]}" hidden>'
        f"here{of}</button> "
        f'<a href="{html.escape(node["binder"])}">Binder{of}</a> '
        f'<a href="{html.escape(node["colab"])}">Colab{of}</a></p>\n'
    )
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.add_node(answer_form, html=(_visit_form, None))
    app.add_node(exercise_places, html=(_visit_places, None))
    app.connect("doctree-resolved", _put_below_cells, priority=order.ANSWERS)
    add = script_for(answer_form, "answers.js")
    app.connect("html-page-context", add, priority=order.FILES_OF_SOME_PAGES)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
