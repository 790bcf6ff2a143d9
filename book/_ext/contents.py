"""Every chapter's file is in the table of contents, or the build stops and names it.

Sphinx would leave out in silence what `_toc.yml` does not list, and then complain of
every reference to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError


class ContentsError(SphinxError):
    """The table of contents and the files do not agree."""

    category = "Table of contents"


def unlisted(book: Path, listed: set[str]) -> Iterator[str]:
    """Yield the chapters' files that the table of contents does not name.

    Parameters
    ----------
    book : pathlib.Path
        The folder with the chapters.
    listed : set of str
        The pages that it names, without endings.
    """
    for path in sorted(book.rglob("*")):
        name = path.relative_to(book)
        if path.suffix not in (".md", ".rst", ".ipynb") or not path.is_file():
            continue
        if any(part.startswith(("_", ".")) for part in name.parts):
            continue
        if name.with_suffix("").as_posix() not in listed:
            yield name.as_posix()


def _check(app: Sphinx, env: BuildEnvironment, names: list[str]) -> None:
    """Stop before anything is read."""
    book = Path(app.srcdir)
    files = list(unlisted(book, set(env.found_docs)))
    if files:
        raise ContentsError(
            "\n".join(
                f"{book.name}/{file} is not in _toc.yml: list it there, or delete it."
                for file in files
            )
        )


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("env-before-read-docs", _check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
