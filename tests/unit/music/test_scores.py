"""Scores: read whole, with their titles; damage is told; who sings the same tune."""

import difflib
import itertools
import json
import os
import shutil
import subprocess
import sys
import zipfile
from fractions import Fraction
from functools import cache
from xml.etree import ElementTree

import pytest

import tunes
from descent import recorded
from descent.music import packages
from descent.music.scores import PARTS, Chorale, Note, UnsuitableScore, read_chorale

TUNES = recorded.load("tunes")["tunes"]
EVERY = [name for tune in TUNES for name in tune]

CONTAINER = (
    '<container><rootfiles><rootfile full-path="score.xml"/></rootfiles></container>'
)
QUARTER = (
    "<note><pitch><step>C</step><octave>4</octave></pitch><duration>2</duration></note>"
)


@cache
def titles():
    from music21.corpus.chorales import ChoraleListRKBWV  # takes a second

    rows = ChoraleListRKBWV().byBWV.items()
    return {f"bwv{number}": row["title"] for number, row in rows}


@pytest.fixture(scope="module")
def everything():
    """Every chorale for four voices.

    music21 takes most of a minute to read them. Unless everything is asked for, the
    second reader does, which is held against music21 on every sixth.
    """
    if os.environ.get("DESCENT_EVERYTHING"):
        return tunes.read_all()
    return [
        Chorale(name, titles().get(name, ""), plainly_read(name))
        for name in sorted(EVERY)
    ]


@pytest.fixture
def corpus(monkeypatch, tmp_path):
    """A folder in the place of music21's scores."""
    monkeypatch.setattr(packages, "corpus", lambda: tmp_path)
    return tmp_path


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


def test_ties_chords_rests_grace_notes_and_a_second_voice(corpus):
    note = "<note>{}<pitch><step>{}</step>{}<octave>4</octave></pitch>{}</note>"
    two = "<duration>2</duration>"
    write(
        corpus / "a.mxl",
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
    soprano = read_chorale("a").parts[0]
    assert sorted(soprano) == [
        (0, 2, 69),
        (Fraction(5, 2), 1, 60),
        (Fraction(5, 2), 1, 61),
        (Fraction(5, 2), 1, 66),
        (5, 1, 60),
    ]


# --- Against a second reader, which knows what Bach's chorales need and no more


@cache
def plainly_read(name):
    """Return the notes of a score's parts as its elements say, ties joined."""
    with zipfile.ZipFile(packages.corpus() / f"{name}.mxl") as archive:
        container = ElementTree.fromstring(archive.read("META-INF/container.xml"))
        inside = next(e for e in container.iter() if e.tag.endswith("rootfile"))
        score = ElementTree.fromstring(archive.read(inside.attrib["full-path"]))
    return tuple(tuple(plain_notes(part)) for part in score.findall("part"))


def plain_notes(part):
    notes, divisions, time = [], 1, Fraction(0)
    for element in part.iterfind("measure/*"):
        divisions = int(element.findtext("divisions") or divisions)
        if element.tag not in ("note", "backup", "forward"):
            continue
        if element.find("grace") is not None:
            continue
        assert element.find("chord") is None
        duration = Fraction(element.findtext("duration")) / divisions
        onset = time
        time += -duration if element.tag == "backup" else duration
        if (pitch := element.find("pitch")) is None:
            continue
        number = (
            12 * (int(pitch.findtext("octave")) + 1)
            + {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[
                pitch.findtext("step")
            ]
            + int(pitch.findtext("alter") or 0)
        )
        ends_a_tie = any(tie.get("type") == "stop" for tie in element.iterfind("tie"))
        if ends_a_tie and notes and notes[-1][2] == number:
            onset, before, _ = notes.pop()
            duration += before
        notes.append(Note(onset, duration, number))
    return notes


def test_notes_are_those_of_the_score():
    for name in EVERY[::40]:
        assert read_chorale(name).parts == plainly_read(name)


@pytest.mark.slow
def test_notes_of_every_chorale_are_those_of_the_score(everything):
    assert sorted(chorale.name for chorale in everything) == sorted(EVERY)
    sixth = set(EVERY[::6])
    for chorale in everything:
        if chorale.name in sixth:
            assert chorale == read_chorale(chorale.name), chorale.name
        assert chorale.parts == plainly_read(chorale.name), chorale.name
        for part in chorale.parts:
            assert part, chorale.name
            assert all(35 <= note.pitch <= 85 and note.duration > 0 for note in part)


# --- Titles


def test_every_piece_has_the_title_that_the_librarys_table_gives_it(chorales):
    for split in chorales:
        for name, title in zip(split.names, split.titles, strict=True):
            assert title == titles().get(name, "")
    assert sum(name in titles() for name in EVERY) == 334


def test_the_tables_first_line_counts_too():
    assert next(iter(titles())) == "bwv269"
    assert read_chorale("bwv269").title == "Aus meines Herzens Grunde"


# --- What cannot be read


def damage(path, how):
    """Spoil a real score in one of many ways."""
    whole = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "cut off":
        path.write_bytes(whole[:-40])
    elif how == "a bit flipped":
        spoiled = bytearray(whole)
        spoiled[len(whole) // 2] ^= 4
        path.write_bytes(spoiled)
    elif how == "no container":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("score.txt", "notes")
    elif how == "not XML":
        write(path, "<note>")
    elif how == "no such step":
        write(path, QUARTER.replace("<step>C</step>", "<step>H</step>"))


@pytest.mark.parametrize(
    "how",
    [
        "missing",
        "empty",
        "cut off",
        "a bit flipped",
        "no container",
        "not XML",
        "no such step",
    ],
)
def test_a_damaged_score_is_named(monkeypatch, tmp_path, how):
    shutil.copy(packages.corpus() / "bwv269.mxl", tmp_path)
    monkeypatch.setattr(packages, "corpus", lambda: tmp_path)
    assert len(read_chorale("bwv269").parts) == 4
    damage(tmp_path / "bwv269.mxl", how)
    with pytest.raises(UnsuitableScore, match=r"^bwv269\.mxl cannot be read: \w+"):
        read_chorale("bwv269")


def test_a_score_for_others_is_refused(corpus):
    write(corpus / "a.mxl", QUARTER, parts=("Violin", *PARTS))
    with pytest.raises(UnsuitableScore, match=r"the parts .*, got Violin, Soprano"):
        read_chorale("a")


def test_reading_leaves_nothing_in_the_home_folder_and_says_nothing(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o555)
    code = (
        "import json; from descent.music.scores import read_chorale\n"
        "print(json.dumps([len(part) for part in read_chorale('bwv269').parts]))"
    )
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "HOME": str(home), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    parts = read_chorale("bwv269").parts
    assert json.loads(process.stdout) == [len(part) for part in parts]
    assert process.stderr == ""
    assert list(home.iterdir()) == []


def test_reading_a_score_in_a_notebook_leaves_its_figures_alone():
    """music21 knows a notebook by its stderr, and would set figures to PNG later."""
    lines = (
        "import io, sys, threading",
        "sys.stderr = type('OutStream', (io.StringIO,), {})()",
        "from descent.music.scores import read_chorale",
        "read_chorale('bwv66.6')",
        "print([thread.name for thread in threading.enumerate()])",
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True
    )
    assert done.stdout.strip() == "['MainThread']", done.stderr


# --- Tunes


def test_every_chorale_is_in_one_tune():
    names = [name for tune in TUNES for name in tune]
    assert len(names) == len(set(names)) == 364
    assert len(TUNES) == 194


def test_no_two_tunes_share_a_title():
    of_tunes = [{titles().get(name) for name in tune} - {None} for tune in TUNES]
    for one, two in itertools.combinations(of_tunes, 2):
        assert not one & two


# "O Haupt voll Blut und Wunden", "Herzlich tut mich verlangen", "Befiehl du"; "Jesu,
# meine Freude".
HEAD, JOY = ["bwv135.6", "bwv153.5", "bwv244.54", "bwv270"], ["bwv227.7", "bwv358"]


def test_the_same_tune_is_known_in_another_key_and_under_another_title():
    pieces = [read_chorale(name) for name in (*HEAD, *JOY)]
    grouped = tunes.group_by_tune(pieces)
    assert [[piece.name for piece in tune] for tune in grouped] == [HEAD, JOY]
    assert len({piece.title for piece in pieces[:4] if piece.title}) == 3
    for names in (HEAD, JOY):
        assert sum(set(names) <= set(tune) for tune in TUNES) == 1
    assert not any({HEAD[0], JOY[0]} <= set(tune) for tune in TUNES)


@pytest.mark.slow
def test_the_program_groups_as_recorded(everything):
    made = tunes.group_by_tune(everything)
    assert [[chorale.name for chorale in tune] for tune in made] == TUNES
    table = tunes.RECORD.read_text("utf8").partition('"tunes"')[2]
    assert tunes.record(made).partition('"tunes"')[2] == table


@pytest.mark.slow
def test_no_two_tunes_sound_alike(everything):
    # Another measure than the one that grouped them: all notes of the first line
    # and a half, compared by the longest runs that they share.
    by_name = {chorale.name: chorale for chorale in everything}
    steps = [
        [after.pitch - before.pitch for before, after in itertools.pairwise(notes[:25])]
        for notes in (by_name[tune[0]].parts[0] for tune in TUNES)
    ]
    for one, two in itertools.combinations(steps, 2):
        assert difflib.SequenceMatcher(None, one, two, autojunk=False).ratio() < 0.9
