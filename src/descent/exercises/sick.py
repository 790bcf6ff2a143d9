"""Checks of the exercises in the chapter "A sick run and its cure".

Belongs to :doc:`/sick`.
"""

from descent.exercises.answers import Answer, Number, answer
from descent.music.separation import MaskNetwork

__all__ = ["first_step"]


@answer("sick-first-step")
def first_step() -> Answer:
    """Return the length of Adam's first step."""
    weights = sum(weight.numel() for weight in MaskNetwork().parameters())
    return Answer(Number("the length", 0.001 * weights**0.5, tolerance=5e-3))
