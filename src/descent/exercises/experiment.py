"""Checks of the exercises in the chapter "Does AutoClip help? An experiment".

Belongs to :doc:`/experiment`.
"""

from collections.abc import Callable

import numpy as np

from descent.exercises.answers import Answer, Number, answer
from descent.exercises.checking import exercise, expect

__all__ = ["check_seeds", "pairs"]


@answer("experiment-pairs")
def pairs() -> Answer:
    """Return how much less paired differences vary than the values themselves."""
    one = np.array([12.1, 13.0, 11.5, 12.6, 12.2])
    two = np.array([12.4, 13.2, 11.9, 12.8, 12.6])
    spread = min(one.std(ddof=1), two.std(ddof=1))
    right = float(spread / (two - one).std(ddof=1))
    return Answer(Number("the ratio", right, tolerance=1e-3))


# Student's t, 97.5 percent, for 2, 3, ... values.
_STUDENT = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093),
)


@exercise("experiment-seeds")
def check_seeds(seeds_needed: Callable[[float, float], int]) -> None:
    """Check how many seeds an interval of a given width needs."""
    for sd, half in ((0.15, 0.1), (0.1, 1.0), (0.4, 0.1), (1.0, 0.5)):
        right = next(
            n
            for n in range(2, 10_000)
            if (_STUDENT[n - 2] if n <= 20 else 1.96 + 2.7 / n) * sd / n**0.5 <= half
        )
        expect(
            f"the seeds for {half} with a scatter of {sd}",
            seeds_needed(sd, half),
            right,
        )
