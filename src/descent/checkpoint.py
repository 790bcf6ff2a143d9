"""Training stopped and taken up again, as if nothing had happened.

A run goes on bit for bit if everything that changes from step to step is kept: the
network, the optimizer, the clipper's history, and the random numbers to come.
"""

import tempfile
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

__all__ = ["load_checkpoint", "save_checkpoint"]

_RNG = "torch.get_rng_state"


@runtime_checkable
class _Stateful(Protocol):
    def state_dict(self) -> Any: ...
    def load_state_dict(self, state: Any) -> Any: ...


def save_checkpoint(path: str | Path, **parts: Any) -> None:
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    path : str or pathlib.Path
        Where to. A file that is there is replaced in the moment in which the new
        one is complete.
    **parts
        Whatever belongs to the run, by name: objects with a ``state_dict`` (a
        network, an optimizer, an `AutoClip`), random generators, and plain values
        such as the step or lists of numbers. PyTorch's global random numbers are
        kept in any case.
    """
    path = Path(path)
    state = {_RNG: torch.get_rng_state()}
    for name, part in parts.items():
        if isinstance(part, torch.Generator):
            part = part.get_state()
        elif isinstance(part, _Stateful):
            part = part.state_dict()
        state[name] = part
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            torch.save(state, file)
        except BaseException:
            Path(file.name).unlink()
            raise
    Path(file.name).replace(path)


def load_checkpoint(path: str | Path, **parts: Any) -> dict[str, Any]:
    """Put a run back to where `save_checkpoint` found it.

    Parameters
    ----------
    path : str or pathlib.Path
        The checkpoint.
    **parts
        The objects and generators that were saved, by the same names, to be put
        back in place.

    Returns
    -------
    dict
        The plain values that were saved, by name.

    Raises
    ------
    ValueError
        If the checkpoint lacks one of the parts. Nothing is changed then.
    """
    state = torch.load(path, weights_only=True)
    rng = state.pop(_RNG)
    missing = parts.keys() - state.keys()
    if missing:
        raise ValueError(f"{path} must hold {sorted(missing)}, got {sorted(state)}")
    for name, part in parts.items():
        if isinstance(part, torch.Generator):
            part.set_state(state.pop(name))
        else:
            part.load_state_dict(state.pop(name))
    torch.set_rng_state(rng)
    return dict(state)
