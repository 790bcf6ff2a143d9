"""Four-part chorales by Bach, read from the scores that music21 ships.

Belongs to :doc:`/separation`.
"""

import sys
from contextlib import redirect_stderr
from fractions import Fraction
from functools import lru_cache
from importlib import import_module
from io import StringIO
from typing import Any, NamedTuple

from descent.music import packages

__all__ = ["PARTS", "Chorale", "Note", "UnsuitableScore", "read_chorale"]

PARTS = ("Soprano", "Alto", "Tenor", "Bass")


class Note(NamedTuple):
    """One note of one voice.

    Attributes
    ----------
    onset, duration : fractions.Fraction
        In quarter notes, the onset from the start of the piece.
    pitch : int
        MIDI number; 60 is middle C.
    """

    onset: Fraction
    duration: Fraction
    pitch: int


class Chorale(NamedTuple):
    """One chorale.

    Attributes
    ----------
    name : str
        Its number in the catalog of Bach's works, such as ``"bwv66.6"``.
    title : str
        The hymn's first line; empty where music21 has none.
    parts : tuple of tuple of Note
        The notes of soprano, alto, tenor and bass.
    """

    name: str
    title: str
    parts: tuple[tuple[Note, ...], ...]


class UnsuitableScore(ValueError):
    """A score that cannot be read, or is not for soprano, alto, tenor and bass."""


def read_chorale(name: str) -> Chorale:
    """Read one chorale from music21's scores of Bach's works.

    Parameters
    ----------
    name : str
        Its number in the catalog, such as ``"bwv66.6"``.

    Returns
    -------
    Chorale
        The chorale: ties joined, grace notes left out.

    Raises
    ------
    ImportError, FileNotFoundError
        If music21 is missing, of another version, or without its scores.
    UnsuitableScore
        If there is no such score, it is damaged, or its parts are not the four of
        `PARTS`.
    """
    path = packages.corpus() / f"{name}.mxl"
    converter = _part_of_music21("converter")

    try:
        # What music21 remembers of files lies in a folder for all users: not asked.
        score = converter.parse(path, format="musicxml", forceSource=True)
    except Exception as error:  # of music21, zipfile, the XML parser and many more
        raise UnsuitableScore(
            f"{path.name} cannot be read: {type(error).__name__}: {error}"
        ) from error
    names = tuple(part.partName for part in score.parts)
    if names != PARTS:
        raise UnsuitableScore(
            f"{path.name} must have the parts {', '.join(PARTS)}, "
            f"got {', '.join(map(str, names)) or 'none'}"
        )
    parts = (_notes(part) for part in score.parts)
    return Chorale(name, _titles().get(name, ""), tuple(parts))


def _notes(part: Any) -> tuple[Note, ...]:
    """Return what a part of music21's sings: ties joined, grace notes left out."""
    voice = part.flatten()
    voice.stripTies(inPlace=True)  # a copy would take ten times as long
    return tuple(
        Note(Fraction(event.offset), Fraction(event.quarterLength), pitch.midi)
        for event in voice.notes
        if not event.duration.isGrace
        for pitch in event.pitches
    )


@lru_cache(maxsize=1)
def _titles() -> dict[str, str]:
    """Return the first lines of chorales by name, from music21's own table."""
    numbered = _part_of_music21("corpus.chorales").ChoraleListRKBWV().byBWV
    return {f"bwv{number}": row["title"] for number, row in numbered.items()}


def _part_of_music21(name: str) -> Any:
    """Return a module of music21, imported when it is needed: that takes a second.

    In a notebook, which it knows by the class of its stderr, music21 would set the
    format of all later figures to PNG, one second after its import
    (`music21.ipython21`). So it sees another stderr; what it says is passed on.
    """
    with redirect_stderr(StringIO()) as messages:
        module = import_module(f"music21.{name}")
    sys.stderr.write(messages.getvalue())
    return module
