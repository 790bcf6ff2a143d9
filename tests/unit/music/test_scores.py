"""Scores: read as music21 reads them; damage is told; one tune is one tune."""

import difflib
import itertools
import zipfile
from fractions import Fraction

import pytest

from descent.music import packages
from descent.music.scores import (
    PARTS,
    CorruptScore,
    group_by_tune,
    read_all,
    read_chorale,
)

CONTAINER = (
    '<container><rootfiles><rootfile full-path="score.xml"/></rootfiles></container>'
)
QUARTER = (
    "<note><pitch><step>C</step><octave>4</octave></pitch><duration>2</duration></note>"
)


def write(path, *measures, parts=PARTS, container=CONTAINER):
    """Write a score in which all parts have the same measures."""
    listed = "".join(
        f'<score-part id="P{i}"><part-name>{name}</part-name></score-part>'
        for i, name in enumerate(parts)
    )
    inside = "<attributes><divisions>2</divisions></attributes>" + "".join(measures)
    played = "".join(
        f'<part id="P{i}"><measure>{inside}</measure></part>' for i in range(len(parts))
    )
    score = f"<score-partwise><part-list>{listed}</part-list>{played}</score-partwise>"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("score.xml", score)


def test_ties_chords_rests_grace_notes_and_a_second_voice(tmp_path):
    note = "<note>{}<pitch><step>{}</step>{}<octave>4</octave></pitch>{}</note>"
    two = "<duration>2</duration>"
    write(
        tmp_path / "a.mxl",
        note.format("", "A", "", two + '<tie type="start"/>'),
        note.format("", "A", "", two + '<tie type="stop"/>'),
        "<note><rest/><duration>1</duration></note>",
        note.format("<grace/>", "B", "", ""),
        note.format("", "F", "<alter>1</alter>", two),
        note.format("<chord/>", "D", "<alter>-1</alter>", two),
        "<backup><duration>2</duration></backup>",
        note.format("", "C", "", two),
        "<forward><duration>3</duration></forward>",
        note.format("", "C", "", two),
    )
    soprano = read_chorale(tmp_path / "a.mxl").parts[0]
    assert soprano == (
        (0, 2, 69),
        (Fraction(5, 2), 1, 66),
        (Fraction(5, 2), 1, 61),
        (Fraction(5, 2), 1, 60),
        (5, 1, 60),
    )


@pytest.mark.filterwarnings("ignore")  # music21's own
@pytest.mark.parametrize("name", ["bwv66.6", "bwv227.7", "bwv269"])
def test_notes_are_those_that_music21_reads(name):
    from music21 import converter

    score = converter.parse(packages.corpus() / f"{name}.mxl", forceSource=True)
    expected = [
        sorted((note.offset, note.quarterLength, note.pitch.midi) for note in part)
        for part in (part.flatten().stripTies().notes for part in score.parts)
    ]
    parts = read_chorale(packages.corpus() / f"{name}.mxl").parts
    assert [sorted(part) for part in parts] == expected


def damaged(path, how):
    """Write a file that is no score, in one of many ways."""
    write(path, QUARTER)
    if how == "empty":
        path.write_bytes(b"")
    elif how == "cut off":
        path.write_bytes(path.read_bytes()[:-40])
    elif how == "a bit flipped":
        data = bytearray(path.read_bytes())
        data[data.index(b"<pitch>") + 1] ^= 4
        path.write_bytes(data)
    elif how == "no container":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("score.xml", "<score-partwise/>")
    elif how == "nothing named":
        write(path, QUARTER, container="<container/>")
    elif how == "not XML":
        write(path, "<note>")
    else:
        write(path, QUARTER.replace("<step>C</step>", how))


DAMAGES = ["empty", "cut off", "a bit flipped", "no container", "nothing named"]
DAMAGES += ["not XML", "<step>H</step>", "<step/>", ""]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_score_is_named_and_the_others_are_read(tmp_path, how):
    write(tmp_path / "bwv1.mxl", QUARTER)
    damaged(tmp_path / "bwv2.mxl", how)
    write(tmp_path / "bwv3.mxl", QUARTER)
    with pytest.raises(CorruptScore, match=r"bwv2\.mxl cannot be read"):
        read_chorale(tmp_path / "bwv2.mxl")
    with pytest.warns(UserWarning, match=r"left out a score: bwv2\.mxl"):
        found = read_all(tmp_path)
    assert [chorale.name for chorale in found] == ["bwv1", "bwv3"]


def test_scores_for_others_are_passed_over(tmp_path):
    write(tmp_path / "a.mxl", QUARTER, parts=("Violin", *PARTS))
    write(tmp_path / "b.mxl", parts=PARTS)  # nobody sings
    assert read_all(tmp_path) == []
    with pytest.raises(CorruptScore, match="got Violin, Soprano"):
        read_chorale(tmp_path / "a.mxl")


@pytest.fixture(scope="module")
def everything():
    return read_all()


@pytest.fixture(scope="module")
def tunes(everything):
    return group_by_tune(everything)


def test_there_is_music_enough(everything):
    assert len(everything) >= 300
    assert sum(chorale.title != "" for chorale in everything) >= 300
    for chorale in everything:
        for part in chorale.parts:
            assert all(35 <= note.pitch <= 85 and note.duration > 0 for note in part)


def test_the_same_tune_is_found_in_another_key_and_under_another_title(
    everything, tunes
):
    by_name = {chorale.name: chorale for chorale in everything}
    names = [{c.name for c in tune} for tune in tunes]

    def same(*pieces):
        return any(tune.issuperset(pieces) for tune in names)

    # "O Haupt voll Blut und Wunden", "Herzlich tut mich verlangen", "Befiehl du".
    assert same("bwv244.54", "bwv153.5", "bwv270", "bwv135.6")
    assert len({by_name[n].title for n in ("bwv244.54", "bwv153.5", "bwv270")}) == 3
    assert same("bwv227.7", "bwv358")  # "Jesu, meine Freude"
    assert not same("bwv227.7", "bwv244.54")


def test_tunes_apart_neither_share_a_title_nor_sound_alike(everything, tunes):
    assert sum(map(len, tunes)) == len(everything)
    assert 150 <= len(tunes) <= 250
    titles = [{c.title for c in tune if c.title} for tune in tunes]
    for one, two in itertools.combinations(titles, 2):
        assert not one & two
    # Another measure than the one that grouped them: all notes of the first line
    # and a half, compared by the longest runs that they share.
    steps = [
        [after.pitch - before.pitch for before, after in itertools.pairwise(notes[:25])]
        for notes in (tune[0].parts[0] for tune in tunes)
    ]
    for one, two in itertools.combinations(steps, 2):
        assert difflib.SequenceMatcher(None, one, two, autojunk=False).ratio() < 0.9
