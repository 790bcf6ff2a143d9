"""What a caller passes, taken for gradients or refused; their norm; their scaling.

Everything that can be wrong with the gradients is looked for before anything is
changed. The norm is taken over all of them as one vector, also where its square is too
large or too small for their precision, and also where they are spread over processes
(DTensors, as FSDP2 and tensor-parallel layers have them): then each process measures
its own part, and the parts are put together for each mesh.

Belongs to :doc:`/clipping`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Set
from operator import attrgetter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

__all__ = ["Gradients", "Parameters", "gather", "global_norm", "measure", "scale"]

# What may be passed where parameters are asked for.
Parameters = (
    Tensor
    | nn.Module
    | Optimizer
    | Mapping[str, Any]
    | Iterable[Tensor]
    | Iterable[tuple[str, Tensor]]
    | Iterable[dict[str, Any]]
)

# Below this a float32 norm may have lost elements whose squares are smaller than
# the smallest float32; it is then measured again in float64, as one that overflowed.
TINY = 1e-16

# The same for float64, and what its numbers are multiplied with if they are too small
# for their squares, divided by if they are too large: a power of 2, so that nothing is
# rounded.
TINIEST, SHIFT = 1e-140, 2.0**600

HALF = (torch.float16, torch.bfloat16)
WIDE = (torch.float64, torch.complex128)
_TYPES = frozenset({*HALF, *WIDE, torch.float32, torch.complex64})

_KIND = attrgetter("dtype", "device")
_GRADIENT = attrgetter("grad")
_KIND_AND_MORE = attrgetter("dtype", "device", "layout", "requires_grad")

# The smallest normal number of float32, and, if there are wide ones, of float64.
_SMALLEST = (torch.finfo(torch.float32).tiny, torch.finfo(torch.float64).tiny)

# A smaller factor is no normal float32 number; the gradients are scaled in two goes.
_SMALLEST_FACTOR = _SMALLEST[False]

_WANTED = (
    "parameters must be a tensor, a module, an optimizer, or an iterable of tensors, "
    "of (name, tensor) pairs or of parameter groups"
)


class Share(NamedTuple):
    """A parameter that is spread over processes, and where the others are.

    Attributes
    ----------
    mesh : torch.distributed.device_mesh.DeviceMesh
        The processes that hold it.
    axes : tuple of int
        The axes of the mesh along which each process has another part.
    local : torch.Tensor or None
        The part of the gradient that lies here; None if there is no gradient.
    """

    mesh: Any
    axes: tuple[int, ...]
    local: Tensor | None


class Gradients(NamedTuple):
    """The gradients of one step.

    Attributes
    ----------
    parameters : list of torch.Tensor
        Every parameter once, with or without a gradient.
    tensors : list of torch.Tensor
        All gradients that lie here, of a sparse one its values, of a spread one its
        part: what must be scaled. None has a history of its own.
    whole : list of torch.Tensor
        Those of `tensors` that are not spread.
    shares : list of Share
        The parameters that are spread.
    smallest : float
        The smallest normal number of the precision that the norm is measured in.
    alike : bool
        Whether all are of one type, not of 16 bits, and on one device.
    identities : set of int
        Which parameters these are.
    """

    parameters: list[Tensor]
    tensors: list[Tensor]
    whole: list[Tensor]
    shares: list[Share]
    smallest: float
    alike: bool
    identities: Set[int]


def global_norm(parameters: Parameters) -> float:
    """Return the length of the gradient, all parameters taken as one vector.

    ``sqrt(sum of |g|**2 over every element of every gradient)``. Parameters
    without a gradient count as zero, a parameter that comes twice counts once. The
    result is right also where the sum of squares is too large or too small for the
    gradients' own precision, and the same in all processes that hold a part. (A single
    float32 tensor of more than ten million elements PyTorch measures a little short on
    a processor: by 1 percent at a hundred million.)

    Parameters
    ----------
    parameters : torch.Tensor, torch.nn.Module, torch.optim.Optimizer or iterable
        The parameters, after ``backward()``: a tensor, whatever has parameters, or an
        iterable of tensors, of pairs of name and tensor, or of parameter groups.

    Returns
    -------
    float
        The norm; not a finite number if any element is not.

    Raises
    ------
    TypeError, ValueError
        If there are no parameters, or what is passed is not a parameter, or a gradient
        is of a kind that has no norm or cannot be scaled.
    """
    return measure(gather(parameters))


def gather(parameters: Parameters, known: Set[int] = frozenset()) -> Gradients:
    """Return the gradients there are, or refuse them before anything is changed.

    Parameters
    ----------
    parameters : torch.Tensor, torch.nn.Module, torch.optim.Optimizer or iterable
        As for :func:`global_norm`.
    known : set of int
        The identities of an earlier result. If they are those of the parameters now,
        it is not looked again whether gradients share memory: they do by the way a
        program is written, not by what happens in a step.

    Returns
    -------
    Gradients
        The gradients, in the memory where they are, without a history of their own,
        which what is done to them must not enter.

    Raises
    ------
    TypeError, ValueError
        As for :func:`global_norm`.
    """
    given = parameters if type(parameters) is list else [*_tensors(parameters)]
    if {*map(type, given)} == {nn.Parameter}:
        if again := _plain_again(given, known):
            return again
    elif given is parameters:  # a list may hold pairs, or groups
        given = [*_tensors(given)]
    every: list[Tensor] = []
    seen: set[int] = set()
    whole: list[Tensor] = []
    sparse: list[Tensor] = []
    spread: list[Tensor] = []
    trained = False
    flattens = "torch.distributed.fsdp" in sys.modules
    for parameter in given:
        identity = id(parameter)
        if identity in seen:
            continue
        seen.add(identity)
        every.append(parameter)
        if type(parameter) is nn.Parameter:
            trained = True
        else:
            trained |= _is_trained(parameter)
            if _is_spread(parameter):
                spread.append(parameter)
                continue
        if flattens:
            _refuse_fsdp1(parameter)
        gradient = parameter.grad
        if gradient is not None:
            if gradient.layout is torch.strided:
                whole.append(_numbers(parameter, gradient))
            else:
                sparse.append(parameter)
    refuse_no_parameters(every, trained)
    kinds = _refuse_what_has_no_norm(whole)
    for parameter in sparse:
        kinds |= _refuse_what_has_no_norm([_sparse(parameter)])
    memory = seen != known
    if memory:
        # Uncoalesced ones are copied before anything is done to them.
        rows = [p.grad for p in sparse if p.grad is not None and p.grad.is_coalesced()]
        _refuse_shared_memory([*whole, *(row.values() for row in rows)])
    shares = [_share(parameter) for parameter in spread]
    parts = [share.local for share in shares if share.local is not None]
    kinds |= _refuse_what_has_no_norm(parts)
    if parts and memory:
        _refuse_shared_memory([*whole, *parts])
    whole += [_values(parameter) for parameter in sparse]
    smallest = _SMALLEST[any(dtype in WIDE for dtype, _ in kinds)]
    alike = len(kinds) == 1 and next(iter(kinds))[0] not in HALF
    return Gradients(every, [*whole, *parts], whole, shares, smallest, alike, seen)


def _plain_again(parameters: list[Tensor], known: Set[int]) -> Gradients | None:
    """Return the gradients of a step like the one before, without a look at each.

    That is: of the same parameters, which are plain ones, and gradients that are
    dense, of one type and on one device. What can be said of all at once is said in a
    few calls, which is most of what a step costs beyond its arithmetic.
    """
    if not known or {*map(id, parameters)} != known or len(parameters) != len(known):
        return None
    if "torch.distributed.fsdp" in sys.modules and any(map(_is_flattened, parameters)):
        return None
    tensors = [g for g in map(_GRADIENT, parameters) if g is not None]
    kinds = {*map(_KIND_AND_MORE, tensors)}
    if len(kinds) != 1:
        return None
    ((dtype, device, layout, has_history),) = kinds
    if dtype in HALF or dtype not in _TYPES or layout is not torch.strided:
        return None
    if dtype.is_complex or has_history or device.type == "meta":
        return None
    if any(map(Tensor.is_neg, tensors)) or any(map(Tensor.is_inference, tensors)):
        return None
    # Some may carry tangents; PyTorch has no public way to ask whether any can.
    if getattr(forward_ad, "_current_level", -1) >= 0:
        return None
    smallest = _SMALLEST[dtype in WIDE]
    return Gradients(parameters, tensors, tensors, [], smallest, True, known)


def _numbers(parameter: Tensor, gradient: Tensor) -> Tensor:
    """Return a dense gradient as what can be measured and scaled: its numbers."""
    if gradient.is_inference() and not torch.is_inference_mode_enabled():
        raise ValueError(
            "gradients must not be made in inference mode, got one of shape "
            f"{tuple(gradient.shape)}: nothing else can change it. Set its clone()"
        )
    if forward_ad.unpack_dual(gradient).tangent is not None:
        raise ValueError(
            "gradients must not carry tangents (forward-mode differentiation): they "
            "would not be scaled with them"
        )
    if gradient.is_conj() or gradient.is_neg():
        # Conjugated or negated only when it is looked at, which PyTorch does not scale.
        gradient = parameter.grad = gradient.resolve_conj().resolve_neg()
    return gradient.detach() if gradient.requires_grad else gradient


def refuse_no_parameters(every: list[Tensor], trained: bool) -> None:
    """Raise an error if there are no tensors, or none that can be trained."""
    if not every:
        raise ValueError(
            f"{_WANTED}, got nothing. (A generator such as model.parameters() is used "
            "up after one pass: call it anew for every step, or keep a list)"
        )
    if not trained:
        raise ValueError(
            f"{_WANTED}, got tensors that neither have a gradient nor require one: "
            "are these gradients, or a state_dict?"
        )


def _is_trained(parameter: Tensor) -> bool:
    """Whether a tensor is a parameter; refuse what can be none."""
    if not parameter.is_leaf:
        raise ValueError(
            "parameters must hold leaf tensors, got the result of a computation "
            f"(shape {tuple(parameter.shape)}, {parameter.grad_fn}): only the "
            "gradients of leaves are used by an optimizer"
        )
    return (
        parameter.requires_grad
        or parameter.grad is not None
        or isinstance(parameter, nn.Parameter)
    )


def _is_spread(parameter: Tensor) -> bool:
    """Whether a parameter is a DTensor; if nobody imported them, it is not."""
    distributed = sys.modules.get("torch.distributed.tensor")
    return distributed is not None and isinstance(parameter, distributed.DTensor)


def _is_flattened(parameter: Tensor) -> bool:
    """Whether FSDP1 has made a parameter a part of a flat one."""
    return getattr(parameter, "_fsdp_flattened", False)


def _refuse_fsdp1(parameter: Tensor) -> None:
    if _is_flattened(parameter):
        raise ValueError(
            "parameters must not be those of FullyShardedDataParallel (FSDP1): each "
            "process sees parts of unknown parameters, and would clip by another "
            "norm. Use torch.distributed.fsdp.fully_shard (FSDP2), or the module's own "
            "clip_grad_norm_"
        )


def _sparse(parameter: Tensor) -> Tensor:
    """Return a sparse gradient, if it is of the kind that optimizers know."""
    gradient = parameter.grad
    assert gradient is not None
    if gradient.layout is not torch.sparse_coo:
        raise ValueError(
            f"gradients must be dense or sparse_coo, got one of {gradient.layout}"
        )
    return gradient


def _tensors(parameters: Parameters) -> Iterator[Tensor]:
    """Return every tensor in what was passed, one after the other."""
    if isinstance(parameters, Tensor):
        yield parameters
    elif isinstance(parameters, nn.Module):
        yield from parameters.parameters()
    elif isinstance(parameters, Optimizer):
        yield from _tensors(parameters.param_groups)
    elif isinstance(parameters, Mapping):
        yield from _tensors(
            parameters["params"] if _is_group(parameters) else parameters.values()
        )
    elif isinstance(parameters, (str, bytes)) or not isinstance(parameters, Iterable):
        raise TypeError(f"{_WANTED}, got {parameters!r}")
    else:
        for item in parameters:
            if isinstance(item, Tensor):
                yield item
            elif (
                isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)
            ):
                yield from _tensors([item[1]])
            elif isinstance(item, Mapping) and _is_group(item):
                yield from _tensors(item["params"])
            else:
                raise TypeError(f"{_WANTED}, got an item {item!r}")


def _is_group(mapping: Mapping[str, Any]) -> bool:
    """Whether a mapping is a parameter group, and not parameters by name.

    A module may call one of its parameters `params`.
    """
    if not isinstance(mapping.get("params"), Tensor):
        return "params" in mapping
    return not any(
        isinstance(value, Tensor) and value.is_leaf and _is_trained(value)
        for name, value in mapping.items()
        if name != "params"
    )


def _share(parameter: Any) -> Share:
    """Return what of a DTensor lies here, and along which axes the rest does."""
    from torch.distributed.tensor import DTensor, Partial, Replicate

    gradient = parameter.grad
    spread: Any = parameter if gradient is None else gradient
    if not isinstance(spread, DTensor):
        raise ValueError(
            "the gradient of a DTensor must be a DTensor, got a plain tensor of shape "
            f"{tuple(spread.shape)}"
        )
    mesh, placements = spread.device_mesh, spread.placements
    if mesh.get_coordinate() is None:
        raise ValueError(
            "parameters must lie on a mesh that this process belongs to, got one on "
            f"{mesh}: no process could know the whole norm"
        )
    if any(isinstance(placement, Partial) for placement in placements):
        # Not added up yet. The sum is needed for the norm, and the optimizer's too.
        whole = [Replicate() if p.is_partial() else p for p in placements]
        spread = spread.redistribute(placements=whole)
        if gradient is not None:
            parameter.grad = spread
        placements = spread.placements
    axes = tuple(i for i, p in enumerate(placements) if not p.is_replicate())
    local = None if gradient is None else spread.detach().to_local()
    return Share(mesh, axes, local)


def _refuse_what_has_no_norm(
    gradients: list[Tensor],
) -> set[tuple[torch.dtype, torch.device]]:
    """Return the kinds of gradients, or refuse what cannot be measured or scaled."""
    kinds = {*map(_KIND, gradients)}
    for dtype, device in kinds:
        if dtype not in _TYPES:
            raise ValueError(
                "gradients must be of a floating-point or complex type "
                f"(16, 32 or 64 bits), got {dtype}"
            )
        if device.type == "meta":
            raise ValueError("gradients must hold numbers, got one on 'meta'")
    return kinds


def _refuse_shared_memory(gradients: list[Tensor]) -> None:
    """Raise an error if some memory would be scaled twice."""
    spans = []
    for gradient in gradients:
        start = gradient.data_ptr()
        if gradient.is_contiguous():
            spans.append((start, start + gradient.nbytes))
        elif gradient.numel():
            last = sum(
                (size - 1) * step
                for size, step in zip(gradient.shape, gradient.stride(), strict=True)
            )
            # A stride of 0 as in expand(), or rows that reach into the next.
            if last + 1 < gradient.numel() or not _apart([gradient]):
                raise ValueError(
                    "gradients must not be expanded: one of shape "
                    f"{tuple(gradient.shape)} and stride {gradient.stride()} has "
                    "several elements in one place of memory. Set its clone()"
                )
            spans.append((start, start + (last + 1) * gradient.element_size()))
    spans.sort()
    end = 0
    for start, stop in spans:
        if start < end and stop > start and not _apart(gradients):
            raise ValueError(
                "gradients must not share memory, got two parameters whose gradients "
                "overlap: they would be scaled twice. Set their clone()"
            )
        end = max(end, stop)


def _apart(gradients: list[Tensor]) -> bool:
    """Whether every element of every gradient has a place of its own."""
    if len(gradients) == 1:
        # Enough, if each stride steps over all that the smaller ones reach.
        reach = 0
        steps = zip(gradients[0].stride(), gradients[0].shape, strict=True)
        for step, size in sorted(pair for pair in steps if pair[1] > 1):
            if step <= reach:
                break
            reach += step * (size - 1)
        else:
            return True
    places = [
        gradient.data_ptr() + _offsets(gradient) * gradient.element_size()
        for gradient in gradients
    ]
    every = torch.cat(places)
    return len(every.unique()) == len(every)


def _offsets(gradient: Tensor) -> Tensor:
    """Return where each element lies, counted in elements from the first."""
    offsets = torch.zeros(1, dtype=torch.int64)
    for size, step in zip(gradient.shape, gradient.stride(), strict=True):
        offsets = (offsets[:, None] + torch.arange(size) * step).flatten()
    return offsets


def _values(parameter: Tensor) -> Tensor:
    """Return the values of a sparse gradient, each row once."""
    gradient = parameter.grad
    assert gradient is not None
    # Uncoalesced, the same row may stand there twice, to be added up.
    parameter.grad = gradient.coalesce()
    return parameter.grad.values().detach()


def measure(gradients: Gradients) -> float:
    """Return the norm of all gradients taken as one vector, the same on every rank."""
    norm = local_norm(gradients.whole, gradients.alike)
    if not gradients.shares:
        return norm
    copies = len(gradients.parameters) > len(gradients.shares)
    return _put_together(norm if copies else None, gradients.shares)


def local_norm(gradients: list[Tensor], alike: bool = False) -> float:
    """Return the norm of gradients that lie in this process."""
    if not gradients:
        return 0.0
    norm = float(total_norm(gradients, alike))
    if TINY < norm < math.inf:
        return norm
    # Too small or too large for the sum of squares, or really not finite.
    norm = float(wide_norm(gradients))
    if TINIEST < norm < math.inf or math.isnan(norm):
        return norm
    shift = 1 / SHIFT if norm > 1 else SHIFT
    return float(wide_norm(gradients, shift)) / shift


def wide_norm(gradients: list[Tensor], factor: float = 1.0) -> Tensor:
    """Return the norm of gradients times a factor, measured in double precision.

    One tensor after the other: there may be no memory for wider copies of all.
    """
    real = [
        torch.view_as_real(g.resolve_conj()) if g.is_complex() else g for g in gradients
    ]
    if factor == 1:
        norms = [*torch._foreach_norm(real, 2, torch.float64)]
    else:
        norms = [torch._foreach_norm([g.double() * factor])[0] for g in real]
    here = gradients[0].device
    return torch.linalg.vector_norm(torch.stack([norm.to(here) for norm in norms]))


def total_norm(gradients: list[Tensor], alike: bool = False) -> Tensor:
    """Return the norm as PyTorch's get_total_norm does, faster if all are alike.

    Those of 16 bits are measured in float32, one after the other: there may be no
    memory for wider copies of all.
    """
    if alike:
        return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    halves = [gradient for gradient in gradients if gradient.dtype in HALF]
    if not halves:
        return get_total_norm(gradients)
    norms = [*torch._foreach_norm(halves, 2, torch.float32)]
    if others := [gradient for gradient in gradients if gradient.dtype not in HALF]:
        norms += torch._foreach_norm(others)
    here = gradients[0].device
    return torch.linalg.vector_norm(torch.stack([norm.to(here) for norm in norms]))


def _put_together(whole: float | None, shares: list[Share]) -> float:
    """Return the norm of what is spread over processes, and of what is not, if any.

    Every process of a mesh must take part, also one that has no gradient, and all in
    the same order: that of the parameters.
    """
    places: dict[tuple[Any, tuple[int, ...]], list[Tensor]] = {}
    for share in shares:
        parts = places.setdefault((share.mesh, share.axes), [])
        if share.local is not None:
            parts.append(share.local)
    norms = []
    if whole is not None:
        norms.append(_agreed(whole, [mesh for mesh, _ in places]))
    for (mesh, axes), parts in places.items():
        norm = local_norm(parts)
        for axis in axes:
            norm = _length(_from_all(norm, mesh, axis))
        # Copies on the other axes are alike but for rounding; all take the largest.
        for axis in range(mesh.ndim):
            if axis not in axes:
                norm = _largest(_from_all(norm, mesh, axis))
        norms.append(norm)
    return _length(norms)


def _agreed(norm: float, meshes: list[Any]) -> float:
    """Return the norm of what is not spread, if all processes have the same.

    Beside spread parameters there may be plain ones, of which each process has a copy.
    Their gradients must have been averaged; otherwise each process would go another
    way, and scale its part of the spread ones by another factor.
    """
    for mesh in dict.fromkeys(meshes):
        for axis in range(mesh.ndim):
            norms = _from_all(norm, mesh, axis)
            largest = _largest(norms)
            if math.isfinite(largest) and min(norms) < largest * (1 - 1e-3):
                raise ValueError(
                    "gradients of plain tensors beside DTensors must be the same in "
                    f"all processes, got norms from {min(norms):g} to {largest:g}: "
                    "average them over the processes first, or shard them, too"
                )
            norm = largest
    return norm


def _from_all(norm: float, mesh: Any, axis: int) -> list[float]:
    """Return the number that each process along an axis of a mesh has."""
    import torch.distributed as dist

    group = mesh.get_group(axis)
    device = mesh.device_type
    if device != "cpu":
        device = torch.device(device, torch.get_device_module(device).current_device())
    mine = torch.tensor([norm], dtype=torch.float64, device=device)
    every = [torch.empty_like(mine) for _ in range(dist.get_world_size(group))]
    dist.all_gather(every, mine, group=group)
    return torch.cat(every).tolist()


def _length(norms: list[float]) -> float:
    """Return the length of a vector of norms; NaN if any is (infinity hides it)."""
    return math.nan if any(map(math.isnan, norms)) else math.hypot(*norms)


def _largest(norms: list[float]) -> float:
    return math.nan if any(map(math.isnan, norms)) else max(norms)


def scale(
    gradients: list[Tensor], norm: float, threshold: float, alike: bool = False
) -> None:
    """Multiply gradients of a norm by ``threshold / norm``, in place."""
    factor = threshold / norm
    if factor < _SMALLEST_FACTOR:
        # As one number it would be zero in float32, or lose its digits.
        exponent = math.frexp(norm)[1]
        half = exponent // 2
        for power in (half, exponent - half):
            _multiply(gradients, 2.0**-power, alike)
        factor = threshold / math.ldexp(norm, -exponent)
    _multiply(gradients, factor, alike)


def _multiply(gradients: list[Tensor], factor: float, alike: bool) -> None:
    if alike:
        torch._foreach_mul_(gradients, factor)
        return
    others = []
    for gradient in gradients:
        if gradient.dtype in HALF:
            # One by one: for many at once, the factor is rounded to their precision,
            # in which a small one is zero.
            gradient.mul_(factor)
        else:
            others.append(gradient)
    if others:
        torch._foreach_mul_(others, factor)
