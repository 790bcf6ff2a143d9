"""Training stopped and taken up again, as if nothing had happened.

A run goes on bit for bit if everything that changes from step to step is kept: the
network, the optimizer, the clipper's history, and the random numbers to come.

Belongs to :doc:`/recipes`.
"""

import io
import pickle
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from descent.files import replacing

__all__ = ["load_checkpoint", "save_checkpoint"]

_RNG = "torch.get_rng_state"
_CUDA_RNG = "torch.cuda.get_rng_state_all"


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
        network, an optimizer, an :class:`~descent.clipping.AutoClip`), PyTorch's
        random generators, and tensors and plain Python values, such as the step or
        lists of numbers. PyTorch's global random numbers are kept in any case, also
        those of CUDA devices.

    Raises
    ------
    TypeError
        If a part is, or its state holds, something that :func:`load_checkpoint`
        could not read, such as a number of NumPy's. Nothing is written then.
    """
    state: dict[str, Any] = {_RNG: torch.get_rng_state()}
    if torch.cuda.is_initialized():
        state[_CUDA_RNG] = torch.cuda.get_rng_state_all()
    for name, part in parts.items():
        wanted = f"{name} must have a state_dict, be a torch.Generator, or be"
        kept = part
        if isinstance(part, torch.Generator):
            kept = part.get_state()
        elif isinstance(part, _Stateful):
            kept = part.state_dict()
            wanted = f"the state of {name} must be"
        try:
            _require_loadable(kept)
        except (AttributeError, TypeError, pickle.PickleError) as error:
            raise TypeError(
                f"{wanted} made of tensors and plain Python values, "
                f"got {type(part).__name__}"
            ) from error
        state[name] = kept
    with replacing(Path(path)) as file:
        torch.save(state, file)


def load_checkpoint(path: str | Path, **parts: Any) -> dict[str, Any]:
    """Put a run back to where :func:`save_checkpoint` found it.

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
        The plain values that were saved, by name; tensors on the processor, wherever
        they were.

    Raises
    ------
    ValueError
        If the file is not one of :func:`save_checkpoint`, or lacks one of the parts:
        nothing is changed then. Or if a part refuses its state; those before it are
        loaded by then.
    """
    with Path(path).open("rb") as file:
        try:
            state = torch.load(file, weights_only=True, map_location="cpu")
            rng, cuda_rng = state.pop(_RNG), list(state.pop(_CUDA_RNG, []))
        # What PyTorch raises for other files, and for damaged ones; and other contents.
        except (
            *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError),
            *(OSError, RuntimeError, TypeError, ValueError, pickle.PickleError),
        ) as error:
            raise ValueError(
                f"path must be a file of save_checkpoint, got {path}"
            ) from error
    missing = parts.keys() - state.keys()
    if missing:
        raise ValueError(f"{path} must hold {sorted(missing)}, got {sorted(state)}")
    for name, part in parts.items():
        if isinstance(part, torch.Generator):
            part.set_state(state.pop(name))
        else:
            part.load_state_dict(state.pop(name))
    torch.set_rng_state(rng)
    # A run may go on where there are fewer devices, or none.
    for device, numbers in enumerate(cuda_rng[: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(numbers, device)
    return dict(state)


def _require_loadable(value: Any) -> None:
    """Save a value to nowhere and load it again, its tensors without their numbers."""
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    torch.load(file, weights_only=True, map_location="meta")
