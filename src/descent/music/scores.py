"""Four-part chorales by Bach, read from the scores that music21 ships.

A score is a zip file with MusicXML inside. What is needed of it, who sings which
note when, takes a few lines of the standard library and a hundredth of a second.

Belongs to :doc:`/separation`.
"""

import itertools
import re
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from descent.music import packages

__all__ = [
    "PARTS",
    "Chorale",
    "CorruptScore",
    "Note",
    "group_by_tune",
    "read_all",
    "read_chorale",
]

PARTS = ("Soprano", "Alto", "Tenor", "Bass")

# Two melodies are one tune if this many edits (a step left out, put in, or changed)
# turn the one's first steps into the other's.
_STEPS, _EDITS = 12, 3

_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


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


class CorruptScore(ValueError):
    """A file that cannot be read as a score of four voices."""


def read_all(folder: Path | None = None) -> list[Chorale]:
    """Read all four-part chorales of a folder, in the order of their file names.

    Scores for other voices or with instruments are passed over, and so are those
    in which the four voices do not end together: an encoding with a mistake.

    Parameters
    ----------
    folder : pathlib.Path, optional
        Where the ``.mxl`` files are. Without it, music21's Bach.

    Returns
    -------
    list of Chorale
        The chorales; 364 of them in music21's Bach.

    Warns
    -----
    UserWarning
        For each file that cannot be read. The others are.
    """
    titles = _titles() if folder is None else {}
    folder = packages.corpus() if folder is None else folder
    found = []
    for path in sorted(folder.glob("*.mxl")):
        try:
            voices = _read(path)
        except CorruptScore as error:
            warnings.warn(f"left out a score: {error}", stacklevel=2)
            continue
        if tuple(voices) == PARTS and len({end for _, end in voices.values()}) == 1:
            parts = tuple(notes for notes, _ in voices.values())
            if all(parts):
                found.append(Chorale(path.stem, titles.get(path.stem, ""), parts))
    return found


def read_chorale(path: Path) -> Chorale:
    """Read one chorale from a compressed MusicXML file.

    Parameters
    ----------
    path : pathlib.Path
        The ``.mxl`` file.

    Returns
    -------
    Chorale
        The chorale, without its title.

    Raises
    ------
    CorruptScore
        If the file is damaged, or the voices are not the four of `PARTS`.
    """
    voices = _read(path)
    if tuple(voices) != PARTS:
        raise CorruptScore(
            f"{path.name} must have the parts {', '.join(PARTS)}, "
            f"got {', '.join(voices) or 'none'}"
        )
    return Chorale(path.stem, "", tuple(notes for notes, _ in voices.values()))


def group_by_tune(chorales: Sequence[Chorale]) -> list[list[Chorale]]:
    """Put together the chorales that set the same hymn tune.

    Bach harmonized many a tune several times, in different keys and under the
    first lines of different hymns. Two chorales count as the same tune if their
    titles are the same, or if their sopranos begin alike: of the pitches sung on
    the beats, repetitions left out, at most 3 of the first 12 steps from pitch to
    pitch have to be left out, put in or changed to get from one to the other. The
    same tune as a third makes them the same tune, too. The rule would rather put
    together what is only similar than part what is the same.

    Parameters
    ----------
    chorales : sequence of Chorale
        The chorales.

    Returns
    -------
    list of list of Chorale
        One list for each tune, in the order in which the tunes first appear.
    """
    openings = [_opening(chorale.parts[0]) for chorale in chorales]
    tune = list(range(len(chorales)))
    for one, two in itertools.combinations(range(len(chorales)), 2):
        if tune[one] == tune[two]:
            continue
        title = chorales[one].title
        same_title = title != "" and title == chorales[two].title
        if same_title or _edits(openings[one], openings[two]) <= _EDITS:
            kept, gone = sorted((tune[one], tune[two]))
            tune = [kept if number == gone else number for number in tune]
    groups: dict[int, list[Chorale]] = {}
    for number, chorale in zip(tune, chorales, strict=True):
        groups.setdefault(number, []).append(chorale)
    return list(groups.values())


def _opening(notes: Sequence[Note]) -> list[int]:
    """Return the first steps of a melody in semitones, the same in every key."""
    pitches: list[int] = []
    for note in notes:
        on_beat = note.onset.denominator == 1
        if on_beat and (not pitches or note.pitch != pitches[-1]):
            pitches.append(note.pitch)
    steps = [after - before for before, after in itertools.pairwise(pitches)]
    return steps[:_STEPS]


def _edits(one: list[int], two: list[int]) -> int:
    """Return how many edits turn one list into the other (Levenshtein 1966).

    Counting ends once there are more than `_EDITS`.
    """
    row = list(range(len(two) + 1))
    for i, x in enumerate(one, start=1):
        above, row = row, [i]
        for j, y in enumerate(two, start=1):
            row.append(min(above[j - 1] + (x != y), above[j] + 1, row[-1] + 1))
        if min(row) > _EDITS:
            break
    return max(row[-1], min(row))


def _titles() -> dict[str, str]:
    """Return the titles of chorales by name, from the list inside music21."""
    module = packages.corpus().parent / "chorales.py"
    lines = re.findall(
        r"^\s*\d+---\|\|---(\S+)---\|\|---(.+)---\|\|---\d+",
        module.read_text("utf8"),
        flags=re.MULTILINE,
    )
    return {f"bwv{number}": title for number, title in lines}


def _read(path: Path) -> dict[str, tuple[tuple[Note, ...], Fraction]]:
    """Return the notes and the end of each part of a score, by the part's name."""
    try:
        with zipfile.ZipFile(path) as archive:
            container = ElementTree.fromstring(archive.read("META-INF/container.xml"))
            inside = [
                element.attrib["full-path"]
                for element in container.iter()
                if element.tag.endswith("rootfile")
            ]
            score = ElementTree.fromstring(archive.read(inside[0]))
        names = [
            (element.findtext("part-name") or "").strip()
            for element in score.findall("part-list/score-part")
        ]
        voices = [_read_part(part) for part in score.findall("part")]
        return dict(zip(names, voices, strict=True))
    # What a damaged zip file, damaged XML, or a missing or senseless element raise.
    except (
        zipfile.BadZipFile,
        OSError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ElementTree.ParseError,
        LookupError,
        TypeError,
        ValueError,
        ArithmeticError,
        zlib.error,
    ) as error:
        raise CorruptScore(
            f"{path.name} cannot be read: {type(error).__name__}: {error}"
        ) from error


def _read_part(part: Element) -> tuple[tuple[Note, ...], Fraction]:
    """Return the notes of one part, ties joined, and where the part ends."""
    notes: list[Note] = []
    divisions = 1  # of a quarter note: the unit of durations
    time = onset = Fraction(0)
    for element in part.iterfind("measure/*"):
        if element.tag == "attributes":
            divisions = int(element.findtext("divisions") or divisions)
        if element.tag not in ("note", "backup", "forward"):
            continue
        if element.find("grace") is not None:
            continue  # it has no duration
        duration = Fraction(_text(element, "duration")) / divisions
        if element.tag == "backup":
            time -= duration
            continue
        if element.find("chord") is None:  # else it sounds with the note before
            onset = time
            time += duration
        pitch = element.find("pitch")
        if pitch is None:  # a rest
            continue
        number = (
            12 * (int(_text(pitch, "octave")) + 1)
            + _SEMITONES[_text(pitch, "step")]
            + round(float(pitch.findtext("alter") or 0))
        )
        note = Note(onset, duration, number)
        tied = any(tie.get("type") == "stop" for tie in element.iterfind("tie"))
        if tied and notes and notes[-1].pitch == number:
            before = notes.pop()
            note = before._replace(duration=before.duration + duration)
        notes.append(note)
    return tuple(notes), time


def _text(element: Element, name: str) -> str:
    """Return the text of a child that has to be there."""
    text = element.findtext(name)
    if text is None:
        raise ValueError(f"a {element.tag} without {name}")
    return text.strip()
