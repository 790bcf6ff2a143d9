"""How an answer is checked and what the reader is told.

Belongs to no chapter: the checks of all of them stand on it.
"""

import importlib
import math
import pkgutil
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = [
    "RIGHT",
    "UNANSWERED",
    "Verdict",
    "check",
    "check_of",
    "exercise",
    "expect",
    "labels",
    "short",
    "unanswered",
    "verdict",
]

RIGHT = "Right."
UNANSWERED = "Not answered yet."


class Verdict(NamedTuple):
    """What a check found.

    Attributes
    ----------
    right : bool
        Whether the answer is right.
    message : str
        What the reader is told.
    """

    right: bool
    message: str


class NotYet(Exception):
    """Raised by `expect`: the answer is wrong, and this is how."""


_checks: dict[str, Callable[[Any], None]] = {}


def exercise(label: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Register the decorated function as the check of an exercise.

    The function gets the reader's answer and calls :func:`expect` for every case.

    Parameters
    ----------
    label : str
        The exercise's label in its chapter.

    Returns
    -------
    callable
        The decorator. It returns the function as it is.

    Raises
    ------
    ValueError
        When it is applied, if the label has a check already.
    """

    def register(function: Callable[[Any], None]) -> Callable[[Any], None]:
        if label in _checks:
            raise ValueError(f"label must be new, {label!r} has a check already")
        _checks[label] = function
        return function

    return register


def labels() -> tuple[str, ...]:
    """Return the labels of all exercises that have a check.

    Returns
    -------
    tuple of str
        The labels, chapter by chapter in the order of the alphabet.
    """
    import descent.exercises

    for module in pkgutil.iter_modules(descent.exercises.__path__):
        importlib.import_module(f"descent.exercises.{module.name}")
    return tuple(_checks)


def check_of(label: str) -> Callable[[Any], None] | None:
    """Return the check of an exercise; of all chapters only its own is imported.

    A label begins with its chapter's name: the checks of ``learning-rate-steps`` are
    in the module ``learning_rate``.

    Parameters
    ----------
    label : str
        The exercise's label.

    Returns
    -------
    callable or None
        It gets the reader's answer, and raises an error unless that is right. None if
        no check has this label.
    """
    words = label.split("-")
    for count in range(len(words), 0, -1):
        if label in _checks:
            break
        chapter = "_".join(words[:count])
        name = f"descent.exercises.{chapter}"
        if chapter.isidentifier():
            try:
                importlib.import_module(name)
            except ModuleNotFoundError as error:
                if error.name != name:
                    raise
    return _checks.get(label)


def unanswered(got: Any) -> bool:
    """Say whether an answer is still what an exercise leaves open.

    Parameters
    ----------
    got : object
        The reader's answer.

    Returns
    -------
    bool
        Whether it is None or ``...``.
    """
    return got is None or got is Ellipsis


def expect(what: str, got: Any, correct: Any, *, tolerance: float = 1e-5) -> None:
    """Compare one value of the reader's with the correct one.

    Parameters
    ----------
    what : str
        What is compared, as the reader would say it: "the loss of two points".
    got : object
        What the reader's code gave: numbers, tensors, or anything comparable.
    correct : object
        What it should have given.
    tolerance : float
        How far numbers may be off, absolutely and relatively.

    Raises
    ------
    NotYet
        If they differ; the message shows both.
    """
    if unanswered(got):
        raise NotYet(UNANSWERED)
    if isinstance(correct, Tensor | float | int) and not isinstance(correct, bool):
        right = torch.as_tensor(correct, dtype=torch.float64)
        try:
            given = torch.as_tensor(got, dtype=torch.float64).detach()
        except (TypeError, ValueError, RuntimeError):
            raise NotYet(f"Not yet: {what} should be a number, got {got!r}.") from None
        same = given.shape == right.shape and torch.allclose(
            given, right, rtol=tolerance, atol=tolerance, equal_nan=True
        )
    else:
        same = bool(got == correct)
    if not same:
        raise NotYet(f"Not yet: {what}: yours {short(got)}, correct {short(correct)}.")


def short(value: Any) -> str:
    """Return a value in a few characters.

    Parameters
    ----------
    value : object
        A number, a tensor, a list of them, or anything else.
    """
    if isinstance(value, Tensor):
        value = value.detach().tolist()
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.6g}"
    if isinstance(value, list):
        return "[" + ", ".join(short(item) for item in value) + "]"
    return repr(value)


def verdict(label: str, answer: object) -> Verdict:
    """Check an answer.

    Parameters
    ----------
    label : str
        The exercise's label.
    answer : object
        The reader's answer; None or ``...`` while there is none.

    Returns
    -------
    Verdict
        Whether it is right, and what to say. An answer that raises an error is
        not right; the error is named.

    Raises
    ------
    ValueError
        If no exercise has this label.
    """
    checks = check_of(label)
    if checks is None:
        raise ValueError(f"label must be one of {sorted(labels())}, got {label!r}")
    if unanswered(answer):
        return Verdict(False, UNANSWERED)
    try:
        checks(answer)
    except NotYet as wrong:
        return Verdict(False, str(wrong))
    except Exception as error:
        # Whatever the reader's code raises is part of the answer.
        return Verdict(False, f"Your code raised {type(error).__name__}: {error}")
    return Verdict(True, RIGHT)


def check(label: str, answer: object) -> None:
    """Check an answer and print what was found; see :func:`verdict`.

    Parameters
    ----------
    label : str
        The exercise's label.
    answer : object
        The reader's answer.
    """
    print(verdict(label, answer).message)
