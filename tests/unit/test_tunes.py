"""The recorded tunes: what sounds alike is together, and they are made as they say."""

import difflib
import importlib.util
import itertools
from pathlib import Path

import pytest
from music21.corpus.chorales import ChoraleListRKBWV

from descent import recorded
from descent.music.scores import read_chorale

SCRIPT = Path(__file__).parents[2] / "experiments" / "tunes.py"
TUNES = recorded.load("tunes")["tunes"]


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("tunes", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def everything(program):
    return program.read_all()


def test_every_chorale_is_in_one_tune():
    names = [name for tune in TUNES for name in tune]
    assert len(names) == len(set(names)) == 364
    assert len(TUNES) == 194


def test_no_two_tunes_share_a_title():
    table = ChoraleListRKBWV().byBWV
    titles = [
        {table[number]["title"] for name in tune if (number := name[3:]) in table}
        for tune in TUNES
    ]
    for one, two in itertools.combinations(titles, 2):
        assert not one & two


# "O Haupt voll Blut und Wunden", "Herzlich tut mich verlangen", "Befiehl du"; "Jesu,
# meine Freude".
HEAD, JOY = ["bwv135.6", "bwv153.5", "bwv244.54", "bwv270"], ["bwv227.7", "bwv358"]


def test_the_same_tune_is_known_in_another_key_and_under_another_title(program):
    pieces = [read_chorale(name) for name in (*HEAD, *JOY)]
    grouped = program.group_by_tune(pieces)
    assert [[piece.name for piece in tune] for tune in grouped] == [HEAD, JOY]
    assert len({piece.title for piece in pieces[:4] if piece.title}) == 3
    for names in (HEAD, JOY):
        assert sum(set(names) <= set(tune) for tune in TUNES) == 1
    assert not any({HEAD[0], JOY[0]} <= set(tune) for tune in TUNES)


@pytest.mark.slow
def test_the_program_groups_as_recorded(program, everything):
    made = program.group_by_tune(everything)
    assert [[chorale.name for chorale in tune] for tune in made] == TUNES
    table = program.RECORD.read_text("utf8").partition('"tunes"')[2]
    assert program.record(made).partition('"tunes"')[2] == table


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
