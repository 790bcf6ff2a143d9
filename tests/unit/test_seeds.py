import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from descent.seeds import set_seed

seeds = st.integers(0, 2**32 - 1)


def draws(rng):
    """Some numbers from every generator that a chapter may use."""
    return (
        random.random(),
        np.random.rand(),  # noqa: NPY002 - the global stream is what is tested
        torch.rand(1).item(),
        rng.rand(),
    )


@given(seed=seeds)
def test_all_generators_start_again(seed):
    assert draws(set_seed(seed)) == draws(set_seed(seed))


@given(seed=seeds)
def test_the_returned_generator_repeats_the_global_stream_without_moving_it(seed):
    rng = set_seed(seed)
    by_hand = rng.randn(5)
    assert (np.random.randn(5) == by_hand).all()  # noqa: NPY002


def test_two_seeds_differ_in_every_generator():
    assert all(
        a != b for a, b in zip(draws(set_seed(0)), draws(set_seed(1)), strict=True)
    )


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_that_numpy_does_not_know_are_refused(seed):
    with pytest.raises(ValueError, match="seed must be"):
        set_seed(seed)


def test_a_refused_seed_leaves_all_generators_alone():
    set_seed(0)
    expected = draws(np.random.RandomState(5))
    set_seed(0)
    with pytest.raises(ValueError, match="seed"):
        set_seed(2**32)
    assert draws(np.random.RandomState(5)) == expected
