"""Answers that are numbers or choices, described as data.

Such an answer can be checked anywhere. In a notebook `check` reads the description; a
page of the book carries it to a script, which needs no kernel. All sentences are
written here, so that both say the same, word for word: where the script has to fill in
what it was given, a sentence has a `HOLE`.

Belongs to no chapter: the checks of all of them stand on it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch

from descent.exercises.checking import (
    RIGHT,
    UNANSWERED,
    NotYet,
    check_of,
    exercise,
    short,
    unanswered,
)

__all__ = ["HOLE", "Answer", "Choice", "Number", "answer", "described"]

# Stands in a sentence for what the reader has answered.
HOLE = "{}"


@dataclass(frozen=True)
class Number:
    """A number that is asked for.

    Attributes
    ----------
    what : str
        What it is, as the reader would say it: "the longest length".
    right : float
        The right one.
    tolerance : float
        How far the reader's may be off, absolutely and relatively.
    within : tuple of (float, float), optional
        Limits outside of which no such number can lie.
    """

    what: str
    right: float
    tolerance: float = 1e-5
    within: tuple[float, float] | None = None

    def refuse(self, got: Any) -> None:
        """Raise `NotYet` if what the reader gave is no number."""
        if math.isnan(_number(got)):
            raise NotYet(self._no_number(repr(got)))

    def judge(self, got: Any) -> None:
        """Raise `NotYet` unless the reader's number is the right one."""
        number, (low, high) = _number(got), self.within or (-math.inf, math.inf)
        if not low <= number <= high:
            raise NotYet(self._outside(short(got)))
        if abs(number - self.right) > self._near:
            raise NotYet(self._off(short(got), small=number < self.right))

    def described(self) -> dict[str, Any]:
        """Return what the page's script needs, as JSON has it."""
        told = {
            "right": self.right,
            "near": self._near,
            "small": self._off(HOLE, small=True),
            "large": self._off(HOLE, small=False),
            "no_number": self._no_number(HOLE),
        }
        if self.within:
            told |= {"within": self.within, "outside": self._outside(HOLE)}
        return told

    @property
    def _near(self) -> float:
        return self.tolerance * (1 + abs(self.right))

    def _no_number(self, got: str) -> str:
        return f"Not yet: {self.what} should be a number such as 0.25, got {got}."

    def _off(self, got: str, *, small: bool) -> str:
        # How much is what the exercise is about, and stays with its solution.
        return f"Not yet: {self.what}: {got} is too {'small' if small else 'large'}."

    def _outside(self, got: str) -> str:
        low, high = self.within or (0, 0)
        return (
            f"Not yet: {self.what} lies between {low:g} and {high:g}, yours is {got}."
        )


@dataclass(frozen=True)
class Choice:
    """A choice among a few.

    Attributes
    ----------
    what : str
        What is chosen for: "run A".
    right : object
        The right choice.
    options : sequence
        What can be chosen: words, or True and False.
    remarks : mapping
        For wrong choices, what helps a reader who took them.
    """

    what: str
    right: Any
    options: Sequence[Any]
    remarks: Mapping[Any, str] = field(default_factory=dict)

    def refuse(self, got: Any) -> None:
        """Raise `NotYet` if what the reader gave cannot be chosen."""
        # One and True are equal, but only one of them can be chosen.
        if not any(type(o) is type(got) and o == got for o in self.options):
            allowed = ", ".join(map(repr, self.options))
            raise NotYet(f"Not yet: {self.what}: {got!r} is none of {allowed}.")

    def judge(self, got: Any) -> None:
        """Raise `NotYet` unless the reader's choice is the right one."""
        if got != self.right:
            raise NotYet(self._wrong(got))

    def described(self) -> dict[str, Any]:
        """Return what the page's script needs, as JSON has it."""
        return {
            "options": {
                str(option): None if option == self.right else self._wrong(option)
                for option in self.options
            }
        }

    def _wrong(self, option: Any) -> str:
        remark = self.remarks.get(option)
        return f"Not yet: {self.what}: not {option!r}." + (
            f" {remark}" if remark else ""
        )


Field = Number | Choice


def _number(got: Any) -> float:
    """Return what the reader gave as a number; NaN if it is none."""
    try:
        given = torch.as_tensor(got, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return math.nan
    return given.item() if given.shape == () else math.nan


@dataclass(frozen=True)
class Answer:
    """All that is asked for in an exercise.

    Attributes
    ----------
    asked : field, tuple of fields, or mapping to fields
        The answer has the same shape, with values in place of the fields.
    counted : bool
        Whether a reader is told only how many are right, not which.
    """

    asked: Field | tuple[Field, ...] | Mapping[Any, Field]
    counted: bool = False

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields, in order."""
        if isinstance(self.asked, Mapping):
            return tuple(self.asked.values())
        return self.asked if isinstance(self.asked, tuple) else (self.asked,)

    def judge(self, got: Any) -> None:
        """Raise `NotYet` unless the reader's answer is right."""
        values = self._values(got)
        for asked, value in zip(self.fields, values, strict=True):
            if unanswered(value):
                raise NotYet(self._open(asked))
        for asked, value in zip(self.fields, values, strict=True):
            asked.refuse(value)
        wrong = []
        for asked, value in zip(self.fields, values, strict=True):
            try:
                asked.judge(value)
            except NotYet as told:
                wrong.append(told)
        if wrong and self.counted:
            raise NotYet(self._count(str(len(values) - len(wrong))))
        if wrong:
            raise wrong[0]

    def described(self) -> dict[str, Any]:
        """Return what the page's script needs, as JSON has it."""
        return {
            "fields": [
                {
                    "label": asked.what[0].upper() + asked.what[1:],
                    "open": self._open(asked),
                    **asked.described(),
                }
                for asked in self.fields
            ],
            "counted": self._count(HOLE) if self.counted else None,
            "right": RIGHT,
        }

    def _values(self, got: Any) -> list[Any]:
        """Return the reader's values, one for each field."""
        if isinstance(self.asked, Mapping):
            if not isinstance(got, Mapping) or got.keys() != self.asked.keys():
                raise NotYet(
                    f"Not yet: the answer should have the keys {[*self.asked]}."
                )
            return [got[name] for name in self.asked]
        if isinstance(self.asked, tuple):
            if not isinstance(got, Sequence) or len(got) != len(self.asked):
                raise NotYet(
                    f"Not yet: the answer should be {len(self.asked)} numbers, "
                    f"got {got!r}."
                )
            return list(got)
        return [got]

    def _open(self, asked: Field) -> str:
        if len(self.fields) == 1:
            return UNANSWERED
        return f"{UNANSWERED.removesuffix('.')}: {asked.what}."

    def _count(self, right: str) -> str:
        return f"Not yet: {right} of {len(self.fields)} are right."


_answers: dict[str, Callable[[], Answer]] = {}


def answer(label: str) -> Callable[[Callable[[], Answer]], Callable[[], Answer]]:
    """Register what the decorated function returns as the answer of an exercise.

    The function is called once, when its answer is first needed.

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

    def register(describe: Callable[[], Answer]) -> Callable[[], Answer]:
        once = cache(describe)

        def judge(got: Any) -> None:
            once().judge(got)

        judge.__module__ = describe.__module__
        exercise(label)(judge)
        _answers[label] = once
        return describe

    return register


def described(label: str) -> dict[str, Any] | None:
    """Return what a script needs to check an answer as `check` does.

    Parameters
    ----------
    label : str
        The exercise's label.

    Returns
    -------
    dict or None
        As JSON has it: ``fields``, each with its ``label``, the sentence for a field
        left ``open`` and, of a number, what is ``right``, how ``near`` it is enough to
        be, and sentences; of a choice, ``options`` with the sentence for each, None for
        the right one. ``counted`` is the sentence that says how many are right, if a
        reader is told no more. None if the answer is code, or is not checked.
    """
    check_of(label)  # registers the answers of the label's chapter
    describe = _answers.get(label)
    return None if describe is None else describe().described()
