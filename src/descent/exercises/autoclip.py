"""Checks of the chapter "AutoClip".

Belongs to :doc:`/autoclip`.
"""

from collections.abc import Callable

import numpy as np

from descent.exercises.answers import Answer, Number, answer
from descent.exercises.checking import NotYet, exercise, expect

__all__ = ["check_threshold", "share"]


@exercise("autoclip-threshold")
def check_threshold(threshold: Callable[[list[float], float], float]) -> None:
    """Check a function that computes the percentile of a history by hand."""
    history = [3.0, 5.0, 1.0, 12.0, 2.0]
    for p in (0.0, 10.0, 25.0, 90.0, 100.0):
        norms = list(history)
        expect(
            f"p = {p:g} of the norms {history}",
            threshold(norms, p),
            float(np.percentile(history, p)),
        )
        if norms != history:
            raise NotYet(
                "Not yet: your function changed the order of the history it was "
                "given. Sort a copy: sorted(history)."
            )
    expect("the only norm of a history of one, p = 10", threshold([4.0], 10), 4.0)
    long = [float(norm) for norm in np.random.RandomState(0).lognormal(size=38)]
    for p in (1.0, 37.5, 99.9):
        expect(
            f"p = {p:g} of 38 norms",
            threshold(list(long), p),
            float(np.percentile(long, p)),
        )


@answer("autoclip-share")
def share() -> Answer:
    """Return the share of clipped steps for three histories."""
    histories = {
        "rising": [float(norm) for norm in range(1, 101)],
        "falling": [float(norm) for norm in range(100, 0, -1)],
        "alternating": [1.0, 2.0] * 50,
    }
    return Answer(
        {
            name: Number(
                f"the share of clipped steps when {name}",
                _share(norms, 10),
                within=(0, 1),
            )
            for name, norms in histories.items()
        }
    )


def _share(norms: list[float], p: float) -> float:
    """Return how many of the steps AutoClip clips, as a share."""
    clipped = [
        norm > np.percentile(norms[: step + 1], p) for step, norm in enumerate(norms)
    ]
    return float(np.mean(clipped))
