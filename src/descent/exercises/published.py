"""Checks of the chapter "What published systems use".

Belongs to :doc:`/published`.
"""

from descent.exercises.answers import Answer, Number, answer
from descent.recorded import load

__all__ = ["ask", "average", "five"]


@answer("published-five")
def five() -> Answer:
    """Return the factors by which a threshold of 5 shortens a median gradient."""
    return Answer(
        tuple(
            Number(
                f"the factor at a norm of {norm:g}", min(1.0, 5 / norm), tolerance=1e-3
            )
            for norm in (0.05, 2.0, 60.0)
        )
    )


@answer("published-average")
def average() -> Answer:
    """Return after how many updates a hundredth of the start is left."""
    least = next(k for k in range(1, 10_000) if 0.999**k < 0.01)
    return Answer(Number("the number of steps", least))


@answer("published-ask")
def ask() -> Answer:
    """Return a count of the survey."""
    right = sum(
        system["domain"] == "speech"
        and system["clipping"] == "global norm"
        and system["threshold"] == 5
        and system["schedule"] != "constant"
        for system in load("published_recipes")["systems"]
    )
    return Answer(Number("the number of configurations", right))
