"""Which chorales set the same hymn tune: found once, recorded, and used to split them.

Bach harmonized many a tune several times, in different keys and under the first lines
of different hymns. Two chorales count as the same tune if their titles are the same,
or if their sopranos begin alike: of the pitches sung on the beats, repetitions left
out, at most 3 of the first 12 steps from pitch to pitch have to be left out, put in or
changed to get from one to the other. The same tune as a third makes them the same
tune, too. The rule would rather put together what is only similar than part what is
the same.

    python experiments/tunes.py            # reads 408 scores: about a minute
"""

import itertools
import json
import platform
from collections.abc import Sequence
from pathlib import Path

from descent.files import replacing
from descent.music import packages
from descent.music.scores import Chorale, Note, UnsuitableScore, read_chorale

RECORD = Path(__file__).parents[1] / "src/descent/recorded/tunes.json"

STEPS, EDITS = 12, 3


def read_all() -> list[Chorale]:
    """Return all chorales for four voices alone, in the order of their file names."""
    chorales = []
    for path in sorted(packages.corpus().glob("*.mxl")):
        try:
            chorales.append(read_chorale(path.stem))
        except UnsuitableScore as reason:
            print(f"left out: {reason}")
    return chorales


def group_by_tune(chorales: Sequence[Chorale]) -> list[list[Chorale]]:
    """Return one list for each tune, in the order in which the tunes first appear."""
    openings = [opening(chorale.parts[0]) for chorale in chorales]
    tune = list(range(len(chorales)))
    for one, two in itertools.combinations(range(len(chorales)), 2):
        if tune[one] == tune[two]:
            continue
        title = chorales[one].title
        same_title = title != "" and title == chorales[two].title
        if same_title or edits(openings[one], openings[two]) <= EDITS:
            kept, gone = sorted((tune[one], tune[two]))
            tune = [kept if number == gone else number for number in tune]
    groups: dict[int, list[Chorale]] = {}
    for number, chorale in zip(tune, chorales, strict=True):
        groups.setdefault(number, []).append(chorale)
    return list(groups.values())


def opening(melody: Sequence[Note]) -> list[int]:
    """Return the first steps of a melody in semitones, the same in every key."""
    pitches: list[int] = []
    for note in melody:
        on_beat = note.onset.denominator == 1
        if on_beat and (not pitches or note.pitch != pitches[-1]):
            pitches.append(note.pitch)
    steps = [after - before for before, after in itertools.pairwise(pitches)]
    return steps[:STEPS]


def edits(one: list[int], two: list[int]) -> int:
    """Return how many edits turn one list into the other (Levenshtein 1966).

    Counting ends once there are more than `EDITS`.
    """
    row = list(range(len(two) + 1))
    for i, x in enumerate(one, start=1):
        above, row = row, [i]
        for j, y in enumerate(two, start=1):
            row.append(min(above[j - 1] + (x != y), above[j] + 1, row[-1] + 1))
        if min(row) > EDITS:
            break
    return max(row[-1], min(row))


def record(tunes: list[list[Chorale]]) -> str:
    """Return the file that is recorded: a line for each tune, its catalog numbers."""
    head = {
        "command": "python experiments/tunes.py",
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": {
            "python": platform.python_version(),
            "music21": packages.NEEDED["music21"],
        },
    }
    lines = [json.dumps([chorale.name for chorale in tune]) for tune in tunes]
    table = ",\n    ".join(lines)
    return f'{json.dumps(head, indent=2)[:-2]},\n  "tunes": [\n    {table}\n  ]\n}}\n'


def main() -> None:
    """Read, group, and record."""
    tunes = group_by_tune(read_all())
    with replacing(RECORD) as file:
        file.write(record(tunes).encode())
    print(f"{sum(map(len, tunes))} chorales, {len(tunes)} tunes: {RECORD}")


if __name__ == "__main__":
    main()
