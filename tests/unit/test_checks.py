import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from descent import checks

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(value=finite, low=finite, high=finite)
def test_real_takes_exactly_what_the_limits_allow(value, low, high):
    for limits, allowed in (
        ({"above": low}, value > low),
        ({"at_least": low}, value >= low),
        ({"at_most": high}, value <= high),
        ({"above": low, "at_most": high}, low < value <= high),
    ):
        if allowed:
            assert checks.real("rate", value, **limits) == value
        else:
            with pytest.raises(ValueError, match="rate must be a finite number"):
                checks.real("rate", value, **limits)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_real_refuses_what_is_not_finite_even_without_limits(value):
    with pytest.raises(
        ValueError, match=r"rate must be a finite number, got .*(nan|inf)"
    ):
        checks.real("rate", value)


@pytest.mark.parametrize("value", [True, np.True_, "1", None, 1j, [1.0]])
def test_real_refuses_what_is_not_a_number(value):
    with pytest.raises(TypeError, match="rate must be a finite number"):
        checks.real("rate", value)


@pytest.mark.parametrize("value", [3, np.int64(3), np.float32(3), np.float64(3)])
def test_real_returns_a_plain_float(value):
    assert type(checks.real("rate", value)) is float


def test_real_names_the_argument_all_limits_and_what_came():
    start = "percentile must be a finite number"
    for limits, words in (
        ({"at_least": 0, "at_most": 100}, "of at least 0 and at most 100"),
        ({"above": 0, "at_most": 100}, "above 0 and at most 100"),
        ({"at_most": 100}, "of at most 100"),
    ):
        with pytest.raises(ValueError, match=f"^{start} {words}, got 101$"):
            checks.real("percentile", 101, **limits)


@pytest.mark.parametrize(
    "value",
    [10**400, -(10**400), Fraction(10**400, 3)],
    ids=["large", "small", "fraction"],
)
def test_real_refuses_what_no_float_can_hold(value):
    with pytest.raises(ValueError, match=r"^rate must be a finite number, got"):
        checks.real("rate", value)


@given(value=st.integers(-9, 9), low=st.integers(-5, 5), more=st.integers(0, 9))
def test_integer_takes_exactly_what_is_within_both_limits(value, low, more):
    high = low + more
    if low <= value <= high:
        assert checks.integer("steps", value, at_least=low, at_most=high) == value
    else:
        message = f"^steps must be a whole number from {low} to {high}, got {value}$"
        with pytest.raises(ValueError, match=message):
            checks.integer("steps", value, at_least=low, at_most=high)


@given(value=st.integers(), low=st.integers())
def test_integer_takes_exactly_what_is_not_below_the_limit(value, low):
    if value >= low:
        assert checks.integer("steps", value, at_least=low) == value
    else:
        with pytest.raises(ValueError, match=f"steps .* at least {low}, got {value}"):
            checks.integer("steps", value, at_least=low)


@pytest.mark.parametrize("value", [True, np.True_, 2.0, np.float64(2), "2", None])
def test_integer_refuses_what_only_looks_like_one(value):
    with pytest.raises(TypeError, match="steps must be a whole number of at least 0"):
        checks.integer("steps", value, at_least=0)


def test_integer_returns_a_plain_int():
    assert type(checks.integer("steps", np.int32(7), at_least=0)) is int


def test_one_of_returns_the_word_or_says_all_that_are_allowed():
    assert checks.one_of("mode", "b", ("a", "b")) == "b"
    with pytest.raises(ValueError, match="mode must be one of 'a', 'b', got 'c'"):
        checks.one_of("mode", "c", ("a", "b"))
