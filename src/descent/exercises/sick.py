"""Checks of the exercises in the chapter "A sick run and its cure".

Belongs to :doc:`/sick`.
"""

from descent.exercises.checking import exercise, expect
from descent.music.separation import MaskNetwork

__all__ = ["check_first_step"]


@exercise("sick-first-step")
def check_first_step(length: float) -> None:
    """Check the length of Adam's first step."""
    weights = sum(weight.numel() for weight in MaskNetwork().parameters())
    expect("the length", length, 0.001 * weights**0.5, tolerance=5e-3)
