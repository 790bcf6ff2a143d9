"""How well a source was separated, in decibels.

Belongs to :doc:`/separation`.
"""

import math

import torch
from torch import Tensor

__all__ = ["si_sdr", "si_sdr_improvement"]


def si_sdr(estimate: Tensor, target: Tensor) -> Tensor:
    """Return the scale-invariant signal-to-distortion ratio.

    ``10 log10(|a s|**2 / |a s - e|**2)``, where e is the estimate, s the target and
    ``a = <e, s> / |s|**2`` the factor that brings the target nearest to the
    estimate (Le Roux et al. 2019). Making the estimate louder or softer does not
    change it. A silent estimate counts 0 dB: as much target as distortion.

    Parameters
    ----------
    estimate, target : torch.Tensor
        Both of shape (..., samples).

    Returns
    -------
    torch.Tensor
        Shape (...). Not a number where the target is silent: against silence every
        estimate is as wrong as any other.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if estimate.shape != target.shape:
        raise ValueError(
            f"estimate must have the target's shape {tuple(target.shape)}, "
            f"got {tuple(estimate.shape)}"
        )
    eps = torch.finfo(estimate.dtype).eps
    # Brought to one loudness, so that `eps` weighs the same for loud and soft ones.
    estimate, target = _leveled(estimate), _leveled(target)
    energy = (target**2).sum(-1)
    factor = ((estimate * target).sum(-1) + eps) / (energy + eps)
    scaled = factor[..., None] * target
    distortion = ((scaled - estimate) ** 2).sum(-1)
    ratio = 10 * torch.log10(((scaled**2).sum(-1) + eps) / (distortion + eps))
    return torch.where(energy > 0, ratio, torch.nan)


def si_sdr_improvement(estimates: Tensor, sources: Tensor) -> Tensor:
    """Return by how much estimates are better than taking the mixture as it is.

    Parameters
    ----------
    estimates, sources : torch.Tensor
        Both of shape (..., source, samples). The sources add up to the mixture.

    Returns
    -------
    torch.Tensor
        Shape (..., source), in decibels; not a number where a source is silent.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    mixture = sources.sum(-2, keepdim=True).expand_as(sources)
    return si_sdr(estimates, sources) - si_sdr(mixture, sources)


def _leveled(waveform: Tensor) -> Tensor:
    """Return a waveform with a root mean square of 1; silence as it is."""
    norm = torch.linalg.vector_norm(waveform, dim=-1, keepdim=True)
    rms = norm / math.sqrt(waveform.shape[-1])
    return waveform / rms.clamp_min(torch.finfo(rms.dtype).tiny)
