"""Checks of the chapter "What published systems use".

Belongs to :doc:`/published`.
"""

from collections.abc import Sequence

from descent.exercises.checking import exercise, expect
from descent.recorded import load

__all__ = ["check_ask", "check_average", "check_five"]


@exercise("published-five")
def check_five(factors: Sequence[float]) -> None:
    """Check the factors by which a threshold of 5 shortens a step at the median."""
    expect("the number of factors", len(factors), 3)
    for norm, factor in zip((0.05, 2.0, 60.0), factors, strict=True):
        expect(f"the factor at a norm of {norm:g}", factor, min(1.0, 5 / norm))


@exercise("published-average")
def check_average(steps: int) -> None:
    """Check after how many updates a hundredth of the start is left."""
    least = next(k for k in range(1, 10_000) if 0.999**k < 0.01)
    expect("the number of steps", steps, least)


@exercise("published-ask")
def check_ask(count: int) -> None:
    """Check a count of the survey."""
    right = sum(
        system["domain"] == "speech"
        and system["clipping"] == "global norm"
        and system["threshold"] == 5
        and system["schedule"] != "constant"
        for system in load("published_recipes")["systems"]
    )
    expect("the number of configurations", count, right)
