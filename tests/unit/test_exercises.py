import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from descent.exercises import answers, check, checking, verdict
from descent.exercises.answers import Answer, Choice, Number, answer, described
from descent.exercises.checking import NotYet, exercise, expect, labels


@pytest.fixture
def registry(monkeypatch):
    """A registry of this test's own."""
    monkeypatch.setattr(checking, "_checks", {})

    @exercise("test-double")
    def check_double(double):
        expect("the double of 2", double(2), 4)
        expect(
            "the double of a point",
            double(torch.tensor([1.0, 2.0])),
            torch.tensor([2.0, 4.0]),
        )


@pytest.mark.parametrize(
    ("answer", "right", "message"),
    [
        (None, False, "Not answered yet."),
        (..., False, "Not answered yet."),
        (lambda x: None, False, "Not answered yet."),
        (lambda x: ..., False, "Not answered yet."),
        (lambda x: 2 * x, True, "Right."),
        (lambda x: x + x, True, "Right."),
        (
            lambda x: x + 2,
            False,
            "Not yet: the double of a point: yours [3, 4], correct [2, 4].",
        ),
        (lambda x: 5.0, False, "Not yet: the double of 2: yours 5, correct 4."),
        (
            lambda x: "4!",
            False,
            "Not yet: the double of 2 should be a number, got '4!'.",
        ),
        (
            lambda x: x / 0,
            False,
            "Your code raised ZeroDivisionError: division by zero",
        ),
        (lambda: 4, False, "Your code raised TypeError"),
        (5, False, "Your code raised TypeError: 'int' object is not callable"),
    ],
)
def test_verdicts(registry, answer, right, message):
    found = verdict("test-double", answer)
    assert found.right is right
    assert found.message.startswith(message)


CURE = Choice("the cure", "rest", ("rest", "work"), {"work": "It made you ill."})
TRUTH = Choice("whether", True, (True, False))
SHARE = Number("the share", 0.5, tolerance=1e-2, within=(0, 1))


@pytest.mark.parametrize(
    ("asked", "given", "message"),
    [
        (SHARE, 0.509, "Right."),
        (SHARE, 0.6, "Not yet: the share: 0.6 is too large."),
        (SHARE, 0.4, "Not yet: the share: 0.4 is too small."),
        (SHARE, 50, "Not yet: the share lies between 0 and 1, yours is 50."),
        (
            SHARE,
            "half",
            "Not yet: the share should be a number such as 0.25, got 'half'.",
        ),
        (CURE, "rest", "Right."),
        (CURE, "work", "Not yet: the cure: not 'work'. It made you ill."),
        (CURE, "tea", "Not yet: the cure: 'tea' is none of 'rest', 'work'."),
        (TRUTH, True, "Right."),
        (TRUTH, 1, "Not yet: whether: 1 is none of True, False."),
        ((SHARE, SHARE), (0.5, 0.5), "Right."),
        ((SHARE, SHARE), (0.5, ...), "Not answered yet: the share."),
        (
            (SHARE, SHARE),
            0.5,
            "Not yet: the answer should be 2 numbers, got 0.5.",
        ),
        ({"a": CURE}, {"b": "rest"}, "Not yet: the answer should have the keys ['a']."),
        ({"a": CURE, "b": SHARE}, {"a": "rest", "b": 0.5}, "Right."),
        (
            {"a": CURE, "b": SHARE},
            {"a": "work", "b": ...},
            "Not answered yet: the share.",
        ),
    ],
)
def test_verdicts_on_numbers_and_choices(monkeypatch, asked, given, message):
    monkeypatch.setattr(checking, "_checks", {})
    monkeypatch.setattr(answers, "_answers", {})
    answer("test-asked")(lambda: Answer(asked))
    found = verdict("test-asked", given)
    assert found.message == message
    assert found.right is (message == "Right.")


def test_a_counted_answer_does_not_say_which_is_wrong(monkeypatch):
    monkeypatch.setattr(checking, "_checks", {})
    monkeypatch.setattr(answers, "_answers", {})
    answer("test-counted")(lambda: Answer({"a": CURE, "b": SHARE}, counted=True))
    found = verdict("test-counted", {"a": "work", "b": 0.5})
    assert found.message == "Not yet: 1 of 2 are right."
    # ... but what cannot be an answer is named.
    found = verdict("test-counted", {"a": "work", "b": "half"})
    assert found.message.endswith(
        "the share should be a number such as 0.25, got 'half'."
    )


def test_only_numbers_and_choices_are_described_for_a_page(registry):
    assert described("test-double") is None  # its answer is code
    assert described("test-nothing") is None


def test_check_prints_the_verdict_and_returns_nothing(registry, capsys):
    assert check("test-double", None) is None
    check("test-double", lambda x: 2 * x)
    assert capsys.readouterr().out == "Not answered yet.\nRight.\n"


def test_an_unknown_label_is_an_error_of_the_chapter_not_of_the_reader(registry):
    with pytest.raises(
        ValueError, match=r"one of \['test-double'\], got 'test-dubble'"
    ):
        verdict("test-dubble", None)


def test_a_label_cannot_be_taken_twice(registry):
    with pytest.raises(ValueError, match="'test-double' has a check already"):
        exercise("test-double")(lambda answer: None)
    assert not verdict(
        "test-double", lambda x: x
    ).right  # the first check is still there


def test_every_label_is_unique_and_names_its_chapter():
    assert len(labels()) == len(set(labels())) > 0
    for label in labels():
        module = checking._checks[label].__module__.rpartition(".")[2]
        assert label.startswith(module.replace("_", "-") + "-")


def raises(*_args, **_kwargs):
    raise RuntimeError("from the reader's code")


JUNK = {
    "none": None,
    "dots": ...,
    "a stub": lambda *a, **k: None,
    "an error": raises,
    "an object": object(),
    "a strange number": -12345.678,
    "nan": math.nan,
    "a word": "?",
    "an empty list": [],
    "a nonsense function": lambda *a, **k: "?",
    "a nan function": lambda *a, **k: math.nan,
    "a tensor function": lambda *a, **k: torch.full((3, 7), -12345.678),
}


@pytest.mark.parametrize("label", labels())
def test_no_check_takes_junk_for_right_or_falls_over(label):
    for junk, attempt in JUNK.items():
        found = verdict(label, attempt)
        assert not found.right, junk
        assert found.message, junk


@given(correct=st.floats(-1e6, 1e6), off=st.floats(-1, 1))
def test_expect_takes_what_is_within_the_tolerance(correct, off):
    tolerance = 1e-3
    allowed = tolerance * (1 + abs(correct))
    if abs(off) < 0.99 * allowed:
        expect("it", correct + off, correct, tolerance=tolerance)
    elif abs(off) > 1.01 * allowed:
        with pytest.raises(NotYet, match="Not yet: it: yours"):
            expect("it", correct + off, correct, tolerance=tolerance)


@pytest.mark.parametrize(
    "got", [2, 2.0, np.float32(2), np.array(2), torch.tensor(2.0, requires_grad=True)]
)
def test_expect_takes_every_kind_of_number(got):
    expect("it", got, 2)
    with pytest.raises(NotYet):
        expect("it", got, 3)


@pytest.mark.parametrize("got", [torch.ones(2), [1.0], torch.ones(1, 1), math.nan])
def test_expect_refuses_other_shapes_and_nan_for_a_number(got):
    with pytest.raises(NotYet):
        expect("it", got, 1.0)


@pytest.mark.parametrize(
    ("got", "correct"), [("adam", "Adam"), (False, True), ((1, 2), (2, 1))]
)
def test_expect_compares_words_and_truths(got, correct):
    expect("it", correct, correct)
    with pytest.raises(NotYet):
        expect("it", got, correct)


@pytest.mark.slow
def test_the_clinic_has_runs_of_its_own_for_every_diagnosis():
    from descent.exercises.health import DIAGNOSES, clinic, patients

    runs = clinic()
    assert set(runs) == {*DIAGNOSES, "not a number"}
    for name, run in runs.items():
        assert len(run) == 200
        bad = np.isnan(run["training"])
        assert bad.any() == (name == "not a number")
        assert not any(
            np.array_equal(run["training"], patient["training"])
            for patient in patients().values()
        )
    assert runs["overfitting"]["validation"].argmin() < 100
    assert runs["healthy"]["training"][-1] < 0.1
    assert runs["dead units"]["grad_norm"][-1] < 1e-3
