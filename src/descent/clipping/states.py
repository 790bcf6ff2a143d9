"""The saved state of AutoClip: its shape, and that of older versions.

Belongs to :doc:`/recipes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from descent import checks

__all__ = ["SETTINGS", "SavedState", "read", "write"]

SETTINGS = ("percentile", "window", "warmup", "ceiling")

# The shape of a state, with the keys that came later than version 0.
_VERSION = 1
_KEYS = sorted(
    (*SETTINGS, "version", "nonfinite", "skipped_steps", "zero_steps", "norms")
)
_SINCE_1 = ("version", "zero_steps")


class SavedState(NamedTuple):
    """What a state says, whatever its version.

    Attributes
    ----------
    settings : dict
        Those of :data:`SETTINGS`; :func:`read` does not check them.
    nonfinite : str
        The policy; not checked either.
    skipped, zeros : int
        How many norms were not finite, and how many 0.
    norms : numpy.ndarray
        The history, shape (steps,), float64, above 0.
    """

    settings: dict[str, Any]
    nonfinite: str
    skipped: int
    zeros: int
    norms: np.ndarray


def write(saved: SavedState) -> dict[str, Any]:
    """Return a state of this version, as tensors and plain values."""
    return {
        "version": _VERSION,
        **saved.settings,
        "nonfinite": saved.nonfinite,
        "skipped_steps": saved.skipped,
        "zero_steps": saved.zeros,
        "norms": torch.from_numpy(saved.norms),
    }


def read(state: Mapping[str, Any]) -> SavedState:
    """Read a state of this version or an older one, or refuse it.

    Before there were versions, norms of 0 entered the history; they are taken out of
    it and counted.

    Raises
    ------
    TypeError, ValueError
        If the state is not of that shape, or of a version that this code does not know.
    """
    current = _in_todays_shape(state)
    counts = {
        name: checks.integer(f"state['{name}']", current[name], at_least=0)
        for name in ("skipped_steps", "zero_steps")
    }
    norms = _checked(current["norms"])
    nonzero = norms[norms > 0]
    return SavedState(
        settings={name: current[name] for name in SETTINGS},
        nonfinite=current["nonfinite"],
        skipped=counts["skipped_steps"],
        zeros=counts["zero_steps"] + len(norms) - len(nonzero),
        norms=nonzero,
    )


def _checked(norms: Any) -> np.ndarray:
    """Return the norms of a state, or refuse them."""
    if (
        not isinstance(norms, Tensor)
        or norms.dtype != torch.float64
        or norms.ndim != 1
        or not bool((torch.isfinite(norms) & (norms >= 0)).all())
    ):
        got = (
            f"{tuple(norms.shape)} of {norms.dtype}"
            if isinstance(norms, Tensor)
            else type(norms).__name__
        )
        raise ValueError(
            "state['norms'] must be a one-dimensional float64 tensor of finite "
            f"numbers above 0, got {got}"
        )
    return norms.cpu().numpy()


def _in_todays_shape(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state in today's shape, or refuse it."""
    if not isinstance(state, Mapping):
        raise ValueError(f"state must have the keys {_KEYS}, got {type(state)}")
    version = state.get("version", 0)
    if type(version) is not int or not 0 <= version <= _VERSION:
        raise ValueError(
            f"state['version'] must be at most {_VERSION}, got {version!r}: it was "
            "saved by another, newer version of this code"
        )
    wanted = _KEYS if version else [key for key in _KEYS if key not in _SINCE_1]
    if sorted(state, key=str) != wanted:
        raise ValueError(
            f"state must have the keys {wanted}, got {sorted(state, key=str)}"
        )
    return {"zero_steps": 0, **state}
