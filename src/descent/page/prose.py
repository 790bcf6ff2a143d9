"""The one way a number gets from a cell into the text.

Belongs to :doc:`/line`, and from there on to every number in a sentence.
"""

from contextlib import suppress
from numbers import Real

from IPython.display import publish_display_data

__all__ = ["glue"]


def glue(**numbers: float | str) -> None:
    """Hand numbers to the text of the chapter, under the names given.

    The text says ``{glue:text}`name:.2f``` and gets the number, formatted. It is
    shown nowhere else. The message is the one that MyST-NB's own ``glue`` sends;
    this one takes several at a time, insists on finite plain numbers, and does not
    make a notebook in Colab install a documentation builder.

    Parameters
    ----------
    **numbers : float or str
        A number (of Python, NumPy, or a one-element tensor), or a word, for each
        name.

    Raises
    ------
    TypeError
        If a value is neither a number nor a word.
    ValueError
        If a number is not finite.
    """
    outputs = {name: _plain(name, value) for name, value in numbers.items()}
    for name, value in outputs.items():
        publish_display_data(
            {"application/papermill.record/text/plain": repr(value)},
            metadata={
                "scrapbook": {
                    "name": name,
                    "mime_prefix": "application/papermill.record/",
                }
            },
        )


def _plain(name: str, value: object) -> int | float | str:
    """Return `value` as a plain Python number or word."""
    if isinstance(value, str):
        return value
    if hasattr(value, "item"):  # NumPy scalars and one-element tensors
        with suppress(ValueError, RuntimeError):  # there is more than one element
            value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number or a word, got {value!r}")
    if isinstance(value, int):
        return value
    number = float(value)
    if number - number != 0:
        raise ValueError(f"{name} must be a finite number, got {value!r}")
    return number
