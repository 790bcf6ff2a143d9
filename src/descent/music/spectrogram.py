"""From waveforms to spectrograms and back again, without loss.

Frames of 512 samples (64 ms at 8 kHz), a new one every 128 (16 ms), under a Hann
window: short enough to follow the notes of a chorale, long enough to tell them
apart.

Belongs to :doc:`/separation`.
"""

import torch
from torch import Tensor

from descent import checks

__all__ = ["BINS", "HOP", "N_FFT", "istft", "stft"]

N_FFT = 512
"""Samples in a frame."""

HOP = 128
"""Samples from one frame to the next."""

BINS = N_FFT // 2 + 1
"""Frequencies in a frame, from 0 to half of the sample rate."""


def stft(waveform: Tensor) -> Tensor:
    """Return the short-time Fourier transform of waveforms.

    Parameters
    ----------
    waveform : torch.Tensor
        Shape (..., samples), more than half a frame long. Both ends are mirrored,
        so that the first frame is centered on the first sample.

    Returns
    -------
    torch.Tensor
        Shape (..., frame, bin), complex; there are ``1 + samples // HOP`` frames
        and :data:`BINS` bins.

    Raises
    ------
    ValueError
        If the waveform is too short.
    """
    samples = waveform.shape[-1] if waveform.ndim else 0
    if samples <= N_FFT // 2:
        raise ValueError(
            f"waveform must be longer than {N_FFT // 2} samples, got {samples}"
        )
    flat = torch.stft(
        waveform.reshape(-1, samples),
        N_FFT,
        HOP,
        window=_window(waveform),
        return_complex=True,
    )  # (all, bin, frame)
    spectrogram = flat.transpose(-1, -2)  # (all, frame, bin)
    return spectrogram.reshape(*waveform.shape[:-1], *spectrogram.shape[1:])


def istft(spectrogram: Tensor, samples: int) -> Tensor:
    """Return the waveforms of spectrograms: what :func:`stft` did is undone exactly.

    Parameters
    ----------
    spectrogram : torch.Tensor
        Shape (..., frame, bin), complex.
    samples : int
        How long the waveforms are.

    Returns
    -------
    torch.Tensor
        Shape (..., samples). For a spectrogram that belongs to no waveform (most
        masked ones), the one whose spectrogram is nearest to it.

    Raises
    ------
    ValueError
        If there are not :data:`BINS` bins, or not the frames that :func:`stft` would
        give.
    """
    samples = checks.integer("samples", samples, at_least=1)
    wanted = (1 + samples // HOP, BINS)
    if spectrogram.shape[-2:] != wanted:
        raise ValueError(
            f"spectrogram must have the shape (..., {wanted[0]}, {wanted[1]}) for "
            f"{samples} samples, got {tuple(spectrogram.shape)}"
        )
    leading = spectrogram.shape[:-2]
    flat = spectrogram.reshape(-1, *wanted).transpose(-1, -2)  # (all, bin, frame)
    waveform = torch.istft(flat, N_FFT, HOP, window=_window(flat), length=samples)
    return waveform.reshape(*leading, samples)


def _window(like: Tensor) -> Tensor:
    """Return the window in the precision and on the device of a tensor."""
    dtype = like.real.dtype if like.is_complex() else like.dtype
    return torch.hann_window(N_FFT, dtype=dtype, device=like.device)
