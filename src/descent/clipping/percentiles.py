"""A percentile of numbers that keep coming, equal to NumPy's bit for bit.

A percentile lies between two neighbors in the sorted order. While the percentile is
fixed and nothing is forgotten, two heaps hold everything that a step must know: one
with the numbers up to the lower neighbor, one with those from the upper neighbor on,
each with its neighbor on top. A new number touches a few places of the heaps, however
many numbers lie there. A window forgets numbers from the middle, which heaps cannot do;
there a sorted list is kept.

Belongs to :doc:`/autoclip`.
"""

from __future__ import annotations

from heapq import heappop, heappush, heappushpop

import numpy as np
from sortedcontainers import SortedList

__all__ = ["GrowingPercentile", "WindowPercentile"]


class GrowingPercentile:
    """The percentile of all numbers so far.

    Parameters
    ----------
    percentile : float
        From 0 to 100.
    values : numpy.ndarray
        The numbers to start with, shape (count,), in any order.
    """

    __slots__ = ("_above", "_below", "_share")

    def __init__(self, percentile: float, values: np.ndarray) -> None:
        self._share = percentile / 100
        ordered = np.sort(values)
        lower = int(self._share * (len(ordered) - 1)) + 1 if len(ordered) else 0
        # A sorted list is a heap. The lower one is negated: its largest lies on top.
        self._below: list[float] = (-ordered[:lower][::-1]).tolist()
        self._above: list[float] = ordered[lower:].tolist()

    def add(self, value: float) -> float:
        """Take in one number and return the percentile of all, this one included."""
        below, above = self._below, self._above
        rank = self._share * (len(below) + len(above))
        lower = int(rank) + 1
        if below and value < -below[0]:
            if len(below) < lower:
                heappush(below, -value)
            else:
                heappush(above, -heappushpop(below, -value))
        elif len(below) < lower:
            heappush(below, -heappushpop(above, value))
        else:
            heappush(above, value)
        # At most one number a step changes sides, but for what rounding does to ranks.
        while len(below) < lower:
            heappush(below, -heappop(above))
        low = -below[0]
        return _between(low, above[0], rank - (lower - 1)) if above else low


class WindowPercentile:
    """The percentile of the last numbers.

    Parameters
    ----------
    percentile : float
        From 0 to 100.
    values : numpy.ndarray
        The numbers to start with, shape (count,), in any order.
    """

    __slots__ = ("_share", "_sorted")

    def __init__(self, percentile: float, values: np.ndarray) -> None:
        self._share = percentile / 100
        self._sorted = SortedList(np.sort(values).tolist())

    def add(self, value: float, oldest: float | None = None) -> float:
        """Take in one number, forget the oldest if one must go, return the percentile.

        Parameters
        ----------
        value : float
            The number that comes.
        oldest : float, optional
            The number that leaves.

        Returns
        -------
        float
            The percentile of those that stay.
        """
        numbers = self._sorted
        numbers.add(value)
        if oldest is not None:
            numbers.remove(oldest)
        rank = self._share * (len(numbers) - 1)
        lower = int(rank)
        low: float = numbers[lower]
        if lower + 1 == len(numbers):
            return low
        return _between(low, numbers[lower + 1], rank - lower)


def _between(low: float, high: float, weight: float) -> float:
    """Interpolate as NumPy does: from the upper neighbor down where that is nearer."""
    gap = high - low
    return high - gap * (1 - weight) if weight >= 0.5 else low + gap * weight
