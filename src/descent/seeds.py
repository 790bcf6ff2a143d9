"""The one place where random numbers start.

Belongs to :doc:`/line`, and from there on wherever there is chance.
"""

import random

import numpy as np
import torch

from descent import checks

__all__ = ["set_seed"]


def set_seed(seed: int) -> np.random.RandomState:
    """Start Python's, NumPy's and PyTorch's random numbers from one seed.

    Parameters
    ----------
    seed : int
        Any whole number from 0 to 2**32 - 1.

    Returns
    -------
    numpy.random.RandomState
        A generator at the start of the same stream as NumPy's global one, to
        hand to the functions that draw numbers.

    Raises
    ------
    TypeError
        If `seed` is not a whole number.
    ValueError
        If `seed` is negative or too large for NumPy.
    """
    seed = checks.integer("seed", seed, at_least=0, at_most=2**32 - 1)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries may draw from the global stream
    torch.manual_seed(seed)
    # The same stream as the global one, but passed on by hand: a function that
    # draws from it says so in its arguments.
    return np.random.RandomState(seed)
