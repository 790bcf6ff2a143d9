"""The notebook of every chapter: what a launch, Colab and the download button open.

It reads as the page does, runs by itself, and has the outputs of the build on it.
Its text comes from the resolved page (`notebook_text`), its code and outputs from the
executed chapter (`notebook_cells`). The site carries it for download; Binder and
Colab open it from what `branches` leaves for publishing.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
from docutils import nodes
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from sphinx.application import Sphinx
from sphinx.config import Config

import order
from branches import ENVIRONMENT, NOTEBOOKS, leave
from descent.page.audio import TAKES
from descent.page.figures import DARK, GROUND, INK
from descent.page.narrow import NARROW
from execution import executed_notebook, shown_runs
from notebook_cells import FOLDED, LEFT_OUT, fold, install, merged, needed, tags
from notebook_text import Place, folded_head, markdown, numbered

# Where the site has the notebooks for download, and their code for live pages.
FOLDER = "notebooks"
LIVE = "live"
ON_PAGE = "on-page"

PICTURES = frozenset({"image/svg+xml", "image/png", "image/gif"})

NOTE = (
    "*This is [a page of the book {title}]({page}) that you can run. Change a cell and "
    "run on: the cells then show your numbers, sentences and captions keep the book's.*"
)


def flat(page: nodes.document) -> Iterator[nodes.Element]:
    """Yield the parts of a page in order, without the sections around them.

    A title gets the `depth` of its section and, as `places`, what it is called.
    """

    def parts(parent: nodes.Element, depth: int) -> Iterator[nodes.Element]:
        for child in parent.children:
            if isinstance(child, nodes.section):
                yield from parts(child, depth + 1)
                continue
            if isinstance(child, nodes.title):
                child["depth"] = depth
                # The number of the page itself has no place to it.
                child["places"] = [*parent["ids"]] if depth > 1 else [""]
            yield child

    yield from parts(page, 0)


class Assembly:
    """A chapter's notebook in the making.

    Parameters
    ----------
    app : sphinx.application.Sphinx
    page : docutils.nodes.document
        The chapter, resolved.
    executed : nbformat.NotebookNode
        The same, executed.
    place : Place
    package : str
        Address from which pip takes the book's package.
    """

    def __init__(
        self,
        app: Sphinx,
        page: nodes.document,
        executed: NotebookNode,
        place: Place,
        package: str,
    ) -> None:
        self.app, self.page, self.place = app, page, place
        self.cells: list[NotebookNode] = []
        self._code = {
            index: cell
            for index, cell in enumerate(executed.cells)
            if cell.cell_type == "code"
        }
        sources = [
            (cell.source, bool(tags(cell) & LEFT_OUT)) for cell in self._code.values()
        ]
        self._sources = dict(zip(self._code, needed(sources), strict=True))
        self._install: NotebookNode | None = install(package)
        self._on_page: set[str] = set()
        self._metadata = {
            # As Jupyter calls it: another title would be a change to be saved.
            "kernelspec": {
                **executed.metadata["kernelspec"],
                "display_name": "Python 3 (ipykernel)",
            },
            "language_info": executed.metadata["language_info"],
        }

    def notebook(self, head: str, foot: str) -> NotebookNode:
        """Return the notebook, with a line below its title and one at its end."""
        text: list[nodes.Element] = []
        for part in flat(self.page):
            if part.get("nb_element") == "cell_code":
                self._write(text)
                self._add_code(part)
                text = []
            elif isinstance(part, nodes.title) and part["depth"] > 1:
                self._write(text)
                text = [part]
            elif isinstance(part, nodes.title):
                self._write(text)
                title = markdown(self.app, self.page, [part], self.place)
                self._add(new_markdown_cell(f"{title}\n\n{head}"))
                text = []
            else:
                text.append(part)
        self._write(text)
        sources = list(self._cited())
        if sources:
            listed = "\n".join(f"- {source}" for source in sources)
            self._add(new_markdown_cell(f"## References\n\n{listed}"))
        self._add(new_markdown_cell(foot))
        return new_notebook(cells=self.cells, metadata=self._metadata)

    def code(self) -> NotebookNode:
        """Return what a page runs: the notebook's code, without what came of it.

        What stands in a cell on the page, too, has the tag `ON_PAGE`. The metadata have
        the ink of figures, and what each color becomes on a dark page.
        """
        cells = []
        for cell in self.cells:
            if cell.cell_type == "code" and cell.id != "install":
                marks = [*cell.metadata.get("tags", ())]
                if cell.id in self._on_page:
                    marks.append(ON_PAGE)
                cells.append(new_code_cell(cell.source, id=cell.id))
                cells[-1].metadata["tags"] = marks
        colors = {"ink": INK, "dark": {**DARK, GROUND: "none"}}
        return new_notebook(cells=cells, metadata={**self._metadata, "colors": colors})

    def _add(self, cell: NotebookNode, name: str = "") -> None:
        # Not by chance, as nbformat does: the same book gives the same files.
        if cell.id != "install":
            cell["id"] = name or f"{self.place.name}-{len(self.cells)}"
        if name:
            cell.metadata["id"] = name  # where Colab looks
        self.cells.append(cell)

    def _write(self, text: list[nodes.Element]) -> None:
        """Add a cell of text, if there is any."""
        written = markdown(self.app, self.page, text, self.place)
        if written:
            self._add(new_markdown_cell(written))

    def _add_code(self, part: nodes.Element) -> None:
        """Add a cell that the page shows; before it what it needs, after it words."""
        if self._install is not None:
            self._add(self._install)
            self._install = None
        here = part["cell_index"]
        hidden = []
        for index in [index for index in self._code if index < here]:
            if self._code.pop(index) and self._sources[index]:
                hidden.append(self._sources[index])
        if hidden:
            # The semicolon keeps a last expression from being shown.
            code = "\n".join(["# @title What the next cell needs", *hidden])
            cell = new_code_cell(f"{code};")
            fold(cell)
            self._add(cell)
        source = self._code.pop(here)
        cell = new_code_cell(source.source, execution_count=source.execution_count)
        cell.outputs = [nbformat.from_dict(output) for output in source.outputs]
        cell.outputs = merged(cell.outputs)
        for output in cell.outputs:
            # For the page: in a notebook it would be megabytes that nobody sees.
            for kind in (*PICTURES, "text/html"):
                for name in (NARROW, TAKES):
                    output.get("metadata", {}).get(kind, {}).pop(name, None)
        if tags(source) & FOLDED:
            fold(cell)
        if "raises-exception" in tags(source):
            cell.metadata["tags"] = ["raises-exception"]
        self._add(cell, part.get("exercise", ""))
        self._on_page.add(cell.id)
        for figure in part.findall(nodes.figure):
            self._describe(cell, figure)

    def _describe(self, cell: NotebookNode, figure: nodes.figure) -> None:
        """Add a figure's number, caption and alternative text below its cell."""
        alternative = next(figure.findall(nodes.image)).get("alt", "")
        for output in cell.outputs:
            for kind in PICTURES & set(output.get("data", {})):
                output.metadata[kind] = {"alt": alternative}
        number = numbered(self.app, self.place.name, "figure", figure["ids"])
        name = self.app.config.numfig_format["figure"] % number
        caption = next(figure.findall(nodes.caption))
        words = nodes.paragraph("", "", *(c.deepcopy() for c in caption.children))
        said = markdown(self.app, self.page, [words], self.place)
        self._add(
            new_markdown_cell(
                f"**{name}** {said}\n\n{folded_head('The figure in words')}\n\n"
                f"{html.escape(alternative, quote=False)}\n\n</details>"
            )
        )

    def _cited(self) -> Iterator[str]:
        """Yield the works that the page cites, in the order of the book's list."""
        places = {
            node["refuri"].partition("#")[2]
            for inline in self.page.findall(nodes.inline)
            if "bibtex-citation" in inline["classes"]
            for node in inline.findall(nodes.reference)
        }
        for citation in self.app.env.get_domain("cite").citations:  # type: ignore[attr-defined]
            if citation.citation_id in places:
                entry: str = citation.formatted_entry.text.render_as("markdown")
                yield entry.replace("\n", " ")


def repository(config: Config) -> str:
    """Return the repository's URL, as the theme's options have it."""
    url: str = config["html_theme_options"]["repository_url"]
    return url.rstrip("/")


def _write(
    app: Sphinx, name: str, template: str, context: dict[str, Any], page: Any
) -> None:
    """Write a chapter's notebook; let the page's buttons open and download it."""
    executed = executed_notebook(app, name)
    if page is None or executed is None:
        return
    url, site = repository(app.config), app.config["html_baseurl"]
    assembly = Assembly(
        app,
        page,
        executed,
        Place(name, site, frozenset(shown_runs(app.env))),
        f"{url}/archive/{ENVIRONMENT}.tar.gz",
    )
    address = f"{site}{app.builder.get_target_uri(name)}"
    notebook = assembly.notebook(
        NOTE.format(page=address, title=app.config["html_title"]),
        _foot(context, assembly.place),
    )
    written = {FOLDER: notebook, LIVE: assembly.code()}
    for folder, content in written.items():
        target = Path(app.outdir) / folder / f"{name}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.validate(content)
        nbformat.write(content, target)
    # The theme puts a copy of the builder's own there, full of directives.
    (Path(app.outdir) / "_sources" / f"{name}.ipynb").unlink(missing_ok=True)
    _lead(app.config, context, name)


def _foot(context: dict[str, Any], place: Place) -> str:
    """Return links to the chapters before and after."""
    links = []
    for which, word in (("prev", "Previous"), ("next", "Next")):
        page = context.get(which)
        if page:
            title = re.sub(r"<[^>]+>", "", page["title"])
            links.append(f"{word}: [{title}]({place.leads_to(page['link'])})")
    # Not "---": with this jupyterlab-myst would take the cell for settings.
    return "\n\n".join(["***", *links])


def binder(config: Config, name: str) -> str:
    """Return where Binder opens a chapter's notebook, at its beginning.

    (JupyterLab forgets the part of an address that names a cell while it starts.)

    Parameters
    ----------
    config : sphinx.config.Config
    name : str
        The chapter.
    """
    hub = config["html_theme_options"]["launch_buttons"]["binderhub_url"]
    slug = urlsplit(repository(config)).path
    return f"{hub}/v2/gh{slug}/{ENVIRONMENT}?urlpath=lab/tree/{name}.ipynb"


def colab(config: Config, name: str, cell: str = "") -> str:
    """Return where Colab opens a chapter's notebook.

    Parameters
    ----------
    config : sphinx.config.Config
    name : str
        The chapter.
    cell : str
        The id of the cell at which it opens, "" for its beginning.
    """
    slug = urlsplit(repository(config)).path
    page = (
        f"https://colab.research.google.com/github{slug}/blob/{NOTEBOOKS}/{name}.ipynb"
    )
    return f"{page}#scrollTo={cell}" if cell else page


def _lead(config: Config, context: dict[str, Any], name: str) -> None:
    """Let a page's buttons lead to its notebook."""
    for group in context["header_buttons"]:
        for button in group.get("buttons", []):
            if str(button.get("url", "")).endswith(".ipynb"):
                button["url"] = context["pathto"](f"{FOLDER}/{name}.ipynb", 1)
            if button.get("text") == "Binder":
                button["url"] = binder(config, name)
        if group.get("label") == "launch-buttons":
            group["buttons"].append(
                {
                    "type": "link",
                    "text": "Colab",
                    "tooltip": "Launch on Colab",
                    "icon": "_static/images/logo_colab.png",
                    "url": colab(config, name),
                }
            )


def _leave_branches(app: Sphinx, failure: Exception | None) -> None:
    """Leave what publishing pushes to the branches for Binder and Colab."""
    if failure is not None or app.builder.format != "html":
        return
    written = Path(app.outdir) / FOLDER
    if not written.exists():
        return
    leave(Path(app.srcdir).parent, Path(app.outdir).parent, written)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx, after the theme has made its buttons at 501."""
    # Its translator asks for its settings.
    app.setup_extension("sphinx_markdown_builder")
    app.connect("html-page-context", _write, priority=order.NOTEBOOKS)
    app.connect("build-finished", _leave_branches, priority=order.BRANCHES)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
