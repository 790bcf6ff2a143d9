"""Checks of the exercises in the chapter "Does AutoClip help? An experiment".

Belongs to :doc:`/experiment`.
"""

import numpy as np

from descent.exercises.checking import exercise, expect

__all__ = ["check_pairs"]


@exercise("experiment-pairs")
def check_pairs(ratio: float) -> None:
    """Check how much less paired differences vary than the values themselves."""
    one = np.array([12.1, 13.0, 11.5, 12.6, 12.2])
    two = np.array([12.4, 13.2, 11.9, 12.8, 12.6])
    spread = min(one.std(ddof=1), two.std(ddof=1))
    right = float(spread / (two - one).std(ddof=1))
    expect("the ratio", ratio, right, tolerance=1e-3)
