"""Answers checked: what each chapter's exercises call on the reader's code.

An exercise ends in a cell such as ``check("exercise-count", my_count)``. The check
runs the reader's answer against cases of its own, and says either that it is
right, or which case it got wrong and what would have been right. The checks of a
chapter are in the module of the chapter's name.

Belongs to every chapter: :doc:`/line` is the first.
"""

from descent.exercises import (
    autoclip,
    clipping,
    experiment,
    gradient,
    health,
    learning_rate,
    line,
    loss,
    network,
    optimizers,
    published,
    recipes,
    schedule,
    separation,
    sick,
    what_to_use,
)
from descent.exercises.checking import check, verdict

__all__ = [
    "autoclip",
    "check",
    "clipping",
    "experiment",
    "gradient",
    "health",
    "learning_rate",
    "line",
    "loss",
    "network",
    "optimizers",
    "published",
    "recipes",
    "schedule",
    "separation",
    "sick",
    "verdict",
    "what_to_use",
]
