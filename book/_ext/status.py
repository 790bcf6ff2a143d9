"""A directive for the page of versions: what computed the book.

The times of the chapters beside it are MyST-NB's own ``{nb-exec-table}``.
"""

from __future__ import annotations

import platform
import re
from importlib import metadata
from pathlib import Path

from docutils import nodes
from myst_nb.ext.execution_tables import METADATA_KEY
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

# Where a page's metadata hold the versions that it shows.
SHOWN = "versions"


def installed(env: BuildEnvironment) -> str:
    """Return a line for Python and for every package that `requirements.txt` pins."""
    pins = (Path(env.srcdir).parent / "requirements.txt").read_text("utf8")
    packages = re.findall(r"^([\w.-]+)==", pins, flags=re.MULTILINE)
    lines = [f"{name} {metadata.version(name)}" for name in packages]
    return "\n".join([f"Python {platform.python_version()}", *lines])


class Versions(SphinxDirective):
    """``{versions}`` lists Python and every package that `requirements.txt` pins."""

    def run(self) -> list[nodes.Node]:
        """Return the list."""
        text = installed(self.env)
        self.env.metadata[self.env.docname][SHOWN] = text
        return [nodes.literal_block(text=text, language="none")]


def _other_versions(app: Sphinx, env: BuildEnvironment, *_: set[str]) -> list[str]:
    """Return the pages that show versions which are no longer installed."""
    now = installed(env)
    return [name for name, data in env.metadata.items() if data.get(SHOWN, now) != now]


def _tables_of_removed(
    app: Sphinx,
    env: BuildEnvironment,
    added: set[str],
    changed: set[str],
    removed: set[str],
) -> list[str]:
    """Return the pages with a table of times, if it names a chapter that is gone.

    MyST-NB itself writes them anew when a chapter has run, and only then.
    """
    pages = NbMetadataCollector.get_doc_data(env).items()
    return [name for name, data in pages if removed and data.get(METADATA_KEY)]


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.add_directive("versions", Versions)
    app.connect("env-get-outdated", _other_versions)
    app.connect("env-get-outdated", _tables_of_removed)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
