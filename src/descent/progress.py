"""A bar that shows how far a loop is, and that leaves nothing behind."""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from IPython import get_ipython
from IPython.display import HTML, DisplayHandle

__all__ = ["progress"]

T = TypeVar("T")

# How often the bar is drawn, in seconds: drawing costs time, too.
_EVERY = 0.2


def progress(steps: Sequence[T], label: str = "") -> Iterator[T]:
    """Go through `steps` and show how far it is: ``for step in progress(range(9))``.

    The bar is shown where somebody may be watching: in a notebook that is open,
    and in a terminal. When a notebook is executed by a program, as it is while the
    book is built, nothing is shown, so that nothing gets into the page.

    Parameters
    ----------
    steps : sequence
        What to go through, such as a range.
    label : str
        What to write before the bar.

    Yields
    ------
    object
        The elements of `steps`.
    """
    show = _shower()
    if show is None:
        yield from steps
        return
    drawn = -_EVERY
    try:
        for done, step in enumerate(steps):
            if time.monotonic() - drawn >= _EVERY:
                show(label, done, len(steps))
                drawn = time.monotonic()
            yield step
    finally:
        show(label, None, len(steps))


class _Show(Protocol):
    """Draws the bar; wipes it out if `done` is None."""

    def __call__(self, label: str, done: int | None, total: int) -> None: ...


def _shower() -> _Show | None:
    """Return how to show a bar here, or None if nobody is watching."""
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is not None:
        # A program that executes a notebook says that nobody is there to type.
        return _InNotebook() if getattr(kernel, "_allow_stdin", False) else None
    return _in_terminal if sys.stderr.isatty() else None


class _InNotebook:
    """A bar of HTML, always the same one."""

    def __init__(self) -> None:
        self._handle = DisplayHandle()
        self._shown = False

    def __call__(self, label: str, done: int | None, total: int) -> None:
        text = ""
        if done is not None:
            text = (
                f'<label>{label} <progress value="{done}" max="{total}"></progress> '
                f"{done} of {total}</label>"
            )
        if self._shown:
            self._handle.update(HTML(text))
        elif text:
            self._handle.display(HTML(text))
            self._shown = True


def _in_terminal(label: str, done: int | None, total: int) -> None:
    """Write the bar over itself, at the beginning of the line."""
    text = ""
    if done is not None:
        filled = 30 * done // max(total, 1)
        text = f"{label} [{'#' * filled}{' ' * (30 - filled)}] {done} of {total}"
    sys.stderr.write(f"\r\x1b[K{text}")
    sys.stderr.flush()
