"""Checks of the chapter "Gradient clipping".

Belongs to :doc:`/clipping`.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from descent.exercises.answers import Answer, Choice, Number, answer
from descent.exercises.checking import NotYet, exercise, expect, unanswered

__all__ = ["check_network", "check_window", "each", "order"]


@exercise("clipping-window")
def check_window(window: Callable[[int, float], tuple[float, float]]) -> None:
    """Check the range of factors whose product stays within bounds."""
    for length, most in ((1, 10.0), (2, 9.0), (50, 100.0), (500, 100.0)):
        limits = window(length, most)
        if unanswered(limits):
            raise NotYet("Not answered yet.")
        if not isinstance(limits, tuple | list) or len(limits) != 2:
            raise NotYet(
                "Not yet: return two numbers, the smallest and the largest factor, "
                f"got {limits!r}."
            )
        where = f"for {length} time steps and a product of at most {most:g}"
        expect(f"the smallest factor {where}", limits[0], most ** (-1 / length))
        expect(f"the largest factor {where}", limits[1], most ** (1 / length))


@exercise("clipping-network")
def check_network(clip_all: Callable[[list[Tensor], float], Sequence[Tensor]]) -> None:
    """Check a function that clips a list of gradients by one norm."""
    cases = (
        ("a gradient longer than the threshold", [[6.0, 0.0], [8.0]], 1.0, 0.1),
        ("a gradient shorter than the threshold", [[0.3, 0.0], [0.4]], 1.0, 1.0),
        ("a gradient as long as the threshold", [[3.0, 0.0], [4.0]], 5.0, 1.0),
        ("a gradient whose tensors are each below it", [[3.0, 0.0], [4.0]], 4.5, 0.9),
        ("a gradient of zeros", [[0.0, 0.0], [0.0]], 1.0, 1.0),
        ("negative elements", [[-6.0, 0.0], [8.0]], 5.0, 0.5),
    )
    for what, values, threshold, factor in cases:
        unclipped = [torch.tensor(row) for row in values]
        got = clip_all([tensor.clone() for tensor in unclipped], threshold)
        _compare(f"{what} (threshold {threshold:g})", got, unclipped, factor)
    unclipped = [torch.arange(6.0).reshape(2, 3), torch.tensor(3.0)]
    factor = 2.0 / 64**0.5
    got = clip_all([tensor.clone() for tensor in unclipped], 2.0)
    _compare("tensors of shapes (2, 3) and ()", got, unclipped, factor)


def _compare(
    what: str, got: Sequence[Tensor], unclipped: list[Tensor], factor: float
) -> None:
    """Compare clipped tensors with `unclipped` times `factor`."""
    if unanswered(got):
        raise NotYet("Not answered yet. (Return the clipped tensors in a list.)")
    if not isinstance(got, list | tuple) or len(got) != len(unclipped):
        raise NotYet(
            f"Not yet: return a list of {len(unclipped)} tensors, as many as came in, "
            f"got {got!r}."
        )
    for number, (tensor, before) in enumerate(zip(got, unclipped, strict=True)):
        expect(f"{what}, tensor {number}", tensor, before * factor)


@answer("clipping-each")
def each() -> Answer:
    """Return how long a gradient can be whose tensors are clipped one by one."""
    return Answer(Number("the longest length", 16**0.5))


@answer("clipping-order")
def order() -> Answer:
    """Return what a record shows when clipping stands in the wrong place."""
    options = ("right", "all zero", "at most the threshold")
    recorded = {"a": "right", "b": "all zero"}
    return Answer(
        {
            name: Choice(f"version {name}", said, options)
            for name, said in recorded.items()
        },
        counted=True,
    )
