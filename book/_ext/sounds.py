"""Sounds of cells: one player for all takes of a piece, and their files.

A cell that shows `descent.page.audio.Players` leaves its sounds as metadata of the
HTML for notebooks. Here they become one player, which `takes.js` brings to life: it
switches between the takes while they play, at the same place. Sounds and pictures are
files of the site, named after their content. Another page shows takes of a chapter
again, without its cells, by the directive ``takes``::

    ```{takes} separation
    mixture
    violin, estimate at step 20
    ```

Each sound lies there twice: as WAV for browsers without scripts, and within a script,
because from a folder without a server no script may read a file.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import order
from descent.page.audio import TAKES
from execution import executed_notebook
from scripts_of_nodes import script_for

logger = logging.getLogger(__name__)

FOLDER = "_sounds"


class takes_player(nodes.General, nodes.Element):
    """One player: `takes` as the cell left them, and whether it shows only one."""


class takes_again(nodes.General, nodes.Element):
    """Takes of a `chapter`, by their `names`, to be shown on another page."""


class TakesAgain(SphinxDirective):
    """Shows takes of a chapter; one name a line."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Leave a node for when the chapter has been read."""
        chapter = self.arguments[0]
        # Known to `_read_again`: the page shows what that chapter computes.
        self.env.metadata[self.env.docname]["takes"] = chapter
        node = takes_again(chapter=chapter, names=[*self.content])
        self.set_source_info(node)
        return [node]


def _read_again(app: Sphinx, env: BuildEnvironment, names: list[str]) -> None:
    """Read a page anew whenever the chapter is that it takes sounds from."""
    for page, metadata in env.metadata.items():
        if metadata.get("takes") in names and page not in names:
            names.append(page)


def _takes_in(app: Sphinx, chapter: str) -> dict[int, list[dict[str, Any]]]:
    """Return, for each cell of a chapter that shows some, its takes."""
    executed = executed_notebook(app, chapter)
    return {
        index: output["metadata"]["text/html"][TAKES]
        for index, cell in enumerate(executed.cells if executed else ())
        for output in cell.get("outputs", ())
        if TAKES in output.get("metadata", {}).get("text/html", {})
    }


def _chosen(
    groups: Iterable[list[dict[str, Any]]], names: list[str]
) -> list[dict[str, Any]] | None:
    """Return the takes of these names, of the first group that has them all."""
    for group in groups:
        by_name = {take["name"]: take for take in group}
        if all(name in by_name for name in names):
            return [by_name[name] for name in names]
    return None


def _put_players(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Put players in the places of what cells show, and of the directive."""
    if app.builder.format != "html":
        return
    cells = [n for n in doctree.findall(nodes.container) if "cell_index" in n]
    for again in list(doctree.findall(takes_again)):
        takes = _chosen(_takes_in(app, again["chapter"]).values(), again["names"])
        if takes is None:
            logger.warning(
                "no cell of %s has the takes %s",
                again["chapter"],
                again["names"],
                location=again,
            )
            again.parent.remove(again)
        else:
            again.replace_self(takes_player(takes=takes, one=True))
    shown = _takes_in(app, name) if cells else {}
    for cell in cells:
        if cell["cell_index"] in shown:
            html_for_notebooks = next(iter(cell.findall(nodes.raw)))
            takes = shown[cell["cell_index"]]
            html_for_notebooks.replace_self(takes_player(takes=takes, one=False))


def _written(site: Path, up: str, data: str, ending: str) -> str:
    """Write a file, and its script if it is a sound; return its address."""
    content = base64.b64decode(data)
    digest = hashlib.sha256(content).hexdigest()[:24]
    files = {f"{digest}.{ending}": content}
    if ending == "wav":
        files[f"{digest}.js"] = f'descentSound("{digest}","{data}");\n'.encode("ascii")
    for name, written in files.items():
        path = site / FOLDER / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(written)
    return f"{up}{FOLDER}/{digest}.{ending}"


def _rows(translator: Any, node: takes_player, group: str) -> Iterator[str]:
    """Yield the HTML of each take: its name to choose, and its picture."""
    builder = translator.builder
    site, up = Path(builder.outdir), "../" * builder.current_docname.count("/")
    for place, take in enumerate(node["takes"]):
        name = html.escape(take["name"])
        picture = _written(site, up, take["picture"], "webp")
        sound = _written(site, up, take["wav"], "wav")
        script = sound.removesuffix(".wav") + ".js"
        first = place == 0
        yield (
            f'<label class="take{" chosen" * first}">'
            f'<input type="radio" name="{group}" data-sound="{script}"'
            f"{' checked' * first}>{name}</label>"
            f'<div class="take-picture"><img class="dark-light" src="{picture}" '
            f'alt="Spectrogram of: {name}" width="{take["width"]}" '
            f'height="{take["height"]}" loading="lazy">'
            f'<noscript><audio controls preload="none" aria-label="{name}" '
            f'src="{sound}"></audio></noscript></div>\n'
        )


def _visit_player(translator: Any, node: takes_player) -> None:
    """Write a player; `takes.js` finds its parts by their classes."""
    players = list(node.document.findall(takes_player))
    group = f"takes-{players.index(node) + 1}"
    seconds = max(take["seconds"] for take in node["takes"])
    whole = f"{int(seconds // 60)}:{round(seconds % 60):02d}"
    rows = "".join(_rows(translator, node, group))
    translator.body.append(
        f'<fieldset class="takes{" takes-one" * node["one"]}" '
        f'data-seconds="{seconds:g}">'
        '<legend class="visually-hidden">Sounds to switch between</legend>\n'
        '<div class="takes-transport">'
        '<button type="button" class="film-play" aria-label="Play"></button>'
        '<input type="range" class="takes-place" aria-label="Place in the sound" '
        f'min="0" max="{seconds:g}" step="0.1" value="0" autocomplete="off">'
        f'<span class="takes-time" aria-hidden="true">0:00 / {whole}</span>'
        '<span role="status"></span></div>\n'
        f"{rows}</fieldset>\n"
    )
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.add_node(takes_player, html=(_visit_player, None))
    app.add_node(takes_again)
    app.add_directive("takes", TakesAgain)
    app.connect("env-before-read-docs", _read_again)
    app.connect("doctree-resolved", _put_players, priority=order.SOUNDS)
    add = script_for(takes_player, "takes.js")
    app.connect("html-page-context", add, priority=order.FILES_OF_SOME_PAGES)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
