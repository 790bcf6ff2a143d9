"""A network that separates a mixture into sources by masks, and what to compare with.

Everything here speaks of masks: numbers from 0 to 1 for each source, frame and bin
of the mixture's spectrogram. An estimate is the masked spectrogram, turned back into
a waveform. A *masker* is anything that takes mixtures of shape (batch, samples) and
returns masks of shape (batch, source, frame, bin): the network, or a fixed filter.

Belongs to :doc:`/separation`.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from descent import checks
from descent.music.metrics import si_sdr_improvement
from descent.music.spectrogram import BINS, HOP, istft, stft

__all__ = [
    "FixedFilter",
    "MaskNetwork",
    "Masker",
    "apply_masks",
    "cut",
    "draw_excerpts",
    "evaluate",
    "oracle_masks",
    "phase_sensitive_loss",
    "samples_of",
    "snr_loss",
]

Masker = Callable[[Tensor], Tensor]

# Added to magnitudes before their logarithm: -100 dB.
_FLOOR = 1e-5


class MaskNetwork(nn.Module):
    """Batch normalization, bidirectional LSTM layers, and sigmoid masks.

    The network of mask inference, as small as it can be: the log magnitudes of the
    mixture's spectrogram, brought to one level for each bin; an LSTM that reads the
    frames forward and backward; a linear layer and a sigmoid for each source.

    Parameters
    ----------
    sources : int
        How many sources.
    hidden : int
        Units of each LSTM layer in each direction.
    layers : int
        LSTM layers.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a whole number of at least 1.
    """

    def __init__(self, sources: int = 2, hidden: int = 64, layers: int = 1) -> None:
        super().__init__()
        self.sources = checks.integer("sources", sources, at_least=1)
        hidden = checks.integer("hidden", hidden, at_least=1)
        layers = checks.integer("layers", layers, at_least=1)
        self.norm = nn.BatchNorm1d(BINS)
        self.lstm = nn.LSTM(BINS, hidden, layers, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * hidden, self.sources * BINS)

    def forward(self, mixture: Tensor) -> Tensor:
        """Return the masks for mixtures.

        Parameters
        ----------
        mixture : torch.Tensor
            Waveforms of shape (batch, samples), or their spectrograms of shape
            (batch, frame, bin) if they are at hand.

        Returns
        -------
        torch.Tensor
            Shape (batch, source, frame, bin), from 0 to 1.

        Raises
        ------
        ValueError
            If the mixtures have another shape, or are too short for a spectrogram.
        """
        _expect_mixture(mixture)
        spectrogram = mixture if mixture.is_complex() else stft(mixture)
        features = torch.log(spectrogram.abs() + _FLOOR)  # (batch, frame, bin)
        features = self.norm(features.transpose(1, 2)).transpose(1, 2)
        states, _ = self.lstm(features)  # (batch, frame, 2 * hidden)
        masks = torch.sigmoid(self.out(states))  # (batch, frame, source * bin)
        return masks.unflatten(-1, (self.sources, BINS)).transpose(1, 2)


class FixedFilter:
    """The same mask for every frame of every mixture: how loud a source is in a bin.

    A Wiener filter with the mean power spectra of the training sources: what can be
    done without listening to the mixture. Called like a network.

    Parameters
    ----------
    sources : torch.Tensor
        Training sources, shape (pieces, source, samples).

    Raises
    ------
    ValueError
        If the sources have another shape, or are too short for a spectrogram.
    """

    def __init__(self, sources: Tensor) -> None:
        _expect("sources", sources, ("pieces", "source", "samples"))
        power = torch.stack(
            [stft(piece).abs().square().mean(dim=1) for piece in sources]
        ).mean(dim=0)  # (source, bin)
        self.masks = power / power.sum(dim=0).clamp_min(torch.finfo(power.dtype).tiny)
        """The masks, shape (source, bin)."""

    def __call__(self, mixture: Tensor) -> Tensor:
        """Return the masks for mixtures.

        Parameters
        ----------
        mixture : torch.Tensor
            Waveforms of shape (batch, samples), or their spectrograms of shape
            (batch, frame, bin).

        Returns
        -------
        torch.Tensor
            Shape (batch, source, frame, bin), from 0 to 1.

        Raises
        ------
        ValueError
            If the mixtures have another shape.
        """
        _expect_mixture(mixture)
        size = mixture.shape[1]
        frames = size if mixture.is_complex() else _frames(size)
        return self.masks[None, :, None].expand(len(mixture), -1, frames, -1)


def oracle_masks(sources: Tensor) -> Tensor:
    """Return the best masks from 0 to 1 there are, computed from the answer.

    The phase-sensitive mask ``|S| cos(angle between S and X) / |X|``, cut off at 0
    and 1: of all such masks the one whose masked mixture is nearest to the source
    in every frame and bin by itself (Erdogan et al. 2015). After overlap-add, and by
    another measure than the distance in each bin, other masks may do better.

    Parameters
    ----------
    sources : torch.Tensor
        True sources, shape (batch, source, samples).

    Returns
    -------
    torch.Tensor
        Shape (batch, source, frame, bin).

    Raises
    ------
    ValueError
        If the sources have another shape, or are too short for a spectrogram.
    """
    _expect("sources", sources, ("batch", "source", "samples"))
    spectrograms = stft(sources)
    mixture = spectrograms.sum(dim=1, keepdim=True)
    aligned = (spectrograms * mixture.conj()).real
    tiny = torch.finfo(aligned.dtype).tiny
    return (aligned / mixture.abs().square().clamp_min(tiny)).clamp(0, 1)


def apply_masks(masks: Tensor, mixture: Tensor) -> Tensor:
    """Mask mixtures and turn the result back into waveforms.

    Parameters
    ----------
    masks : torch.Tensor
        Shape (batch, source, frame, bin).
    mixture : torch.Tensor
        Waveforms, shape (batch, samples).

    Returns
    -------
    torch.Tensor
        Estimates of the sources, shape (batch, source, samples).

    Raises
    ------
    ValueError
        If the mixtures or the masks have another shape, the masks are for another
        number of mixtures, frames or bins, or the mixtures are too short for a
        spectrogram.
    """
    _expect("mixture", mixture, ("batch", "samples"))
    batch, samples = mixture.shape
    _expect("masks", masks, (batch, "source", _frames(samples), BINS))
    return istft(masks * stft(mixture)[:, None], samples)


def phase_sensitive_loss(masks: Tensor, sources: Tensor) -> Tensor:
    """Return the L1 distance to the truncated phase-sensitive spectrum.

    The mean over everything of ``| M |X| - T |``, where X is the mixture's
    spectrogram, M the mask, and the target T is ``|S| cos(angle between S and X)``,
    cut off at 0 and ``|X|``: what a mask from 0 to 1 can reach (Erdogan et al. 2015).

    Parameters
    ----------
    masks : torch.Tensor
        Shape (batch, source, frame, bin).
    sources : torch.Tensor
        True sources, shape (batch, source, samples); their sum is the mixture.

    Returns
    -------
    torch.Tensor
        A scalar.

    Raises
    ------
    ValueError
        If the sources have another shape, the masks not the one that belongs to
        them, or the sources are too short for a spectrogram.
    """
    _expect_both(masks, sources)
    with torch.no_grad():
        spectrograms = stft(sources)
        mixture = spectrograms.sum(dim=1, keepdim=True)
        magnitude = mixture.abs()
        tiny = torch.finfo(magnitude.dtype).tiny
        aligned = (spectrograms * mixture.conj()).real / magnitude.clamp_min(tiny)
        target = aligned.clamp_min(0).minimum(magnitude)
    return (masks * magnitude - target).abs().mean()


def snr_loss(masks: Tensor, sources: Tensor, eps: float = 1e-8) -> Tensor:
    """Return the negative signal-to-noise ratio of the masked waveforms, in decibels.

    The mean over batch and sources of ``-10 log10((|s|**2 + eps) / (|s - e|**2 +
    eps))``, where s is the source and e the estimate, the masked mixture turned back
    into a waveform. For a silent source the ratio compares with `eps`: it is
    finite, but steep.

    Parameters
    ----------
    masks : torch.Tensor
        Shape (batch, source, frame, bin).
    sources : torch.Tensor
        True sources, shape (batch, source, samples); their sum is the mixture.
    eps : float
        Energy that is added to both, above 0.

    Returns
    -------
    torch.Tensor
        A scalar.

    Raises
    ------
    ValueError
        If the sources have another shape, the masks not the one that belongs to
        them, the sources are too short for a spectrogram, or `eps` is not above 0.
    """
    eps = checks.real("eps", eps, above=0)
    _expect_both(masks, sources)
    estimates = apply_masks(masks, sources.sum(dim=1))
    signal = sources.square().sum(dim=-1) + eps
    noise = (sources - estimates).square().sum(dim=-1) + eps
    return -10 * torch.log10(signal / noise).mean()


def samples_of(frames: int) -> int:
    """Return how many samples make a spectrogram of so many frames.

    Parameters
    ----------
    frames : int
        How many frames, at least 4: fewer samples are too short for a spectrogram.

    Returns
    -------
    int
        The number of samples.

    Raises
    ------
    TypeError, ValueError
        If `frames` is not a whole number of at least 4.
    """
    return (checks.integer("frames", frames, at_least=4) - 1) * HOP


def draw_excerpts(
    sources: np.ndarray,
    batch: int,
    frames: int,
    generator: torch.Generator,
    silent: float = 0.0,
) -> Tensor:
    """Draw excerpts at random: a minibatch for training.

    Parameters
    ----------
    sources : numpy.ndarray
        Shape (pieces, source, samples), such as
        :attr:`descent.music.chorales.Split.sources`.
    batch : int
        How many excerpts.
    frames : int
        How many frames each has, at least 4.
    generator : torch.Generator
        The generator to draw from. It advances the same with any `silent`.
    silent : float
        The share of excerpts in which one source, drawn at random, is silent.

    Returns
    -------
    torch.Tensor
        Shape (batch, source, samples); their sum over the sources is the mixture.

    Raises
    ------
    ValueError
        If an argument is out of range, `sources` has another shape, or the pieces
        are shorter than an excerpt.
    """
    batch = checks.integer("batch", batch, at_least=1)
    silent = checks.real("silent", silent, at_least=0, at_most=1)
    length = _length(sources, frames)
    pieces, voices, samples = sources.shape
    drawn = torch.rand(4, batch, generator=generator, dtype=torch.float64)
    piece, start, source = (
        (drawn[:3] * torch.tensor([[pieces], [samples - length + 1], [voices]]))
        .long()
        .tolist()
    )
    excerpts = torch.from_numpy(
        np.stack(
            [
                sources[which, :, begin : begin + length]
                for which, begin in zip(piece, start, strict=True)
            ]
        )
    ).clone()  # PyTorch aligns memory the same every time, NumPy does not: last digits
    for row in (drawn[3] < silent).nonzero().flatten().tolist():
        excerpts[row, source[row]] = 0
    return excerpts


def cut(sources: np.ndarray, frames: int) -> Tensor:
    """Cut pieces into excerpts, one after the other: always the same ones.

    Parameters
    ----------
    sources : numpy.ndarray
        Shape (pieces, source, samples), such as
        :attr:`descent.music.chorales.Split.sources`.
    frames : int
        How many frames each excerpt has, at least 4.

    Returns
    -------
    torch.Tensor
        Shape (excerpts, source, samples). What is left over at the end of a piece is
        left out, and so are excerpts in which a source is silent: they cannot be
        scored.

    Raises
    ------
    ValueError
        If `sources` has another shape, the pieces are shorter than an excerpt, or
        all excerpts are silent.
    """
    length = _length(sources, frames)
    pieces, voices, samples = sources.shape
    count = samples // length
    kept = sources[..., : count * length].reshape(pieces, voices, count, length)
    excerpts = kept.swapaxes(1, 2).reshape(-1, voices, length)
    sounding = (np.abs(excerpts).max(axis=-1) > _FLOOR).all(axis=-1)
    if not sounding.any():
        raise ValueError("sources must sound together somewhere, they never do")
    return torch.from_numpy(np.ascontiguousarray(excerpts[sounding])).clone()


def evaluate(masker: Masker, excerpts: Tensor, batch: int = 16) -> Tensor:
    """Return how much better a masker's estimates are than the mixture.

    A network is evaluated in evaluation mode, and left in the mode it was in.

    Parameters
    ----------
    masker : callable
        From mixtures, shape (batch, samples), to masks, shape (batch, source,
        frame, bin).
    excerpts : torch.Tensor
        True sources, shape (excerpts, source, samples).
    batch : int
        How many excerpts at a time.

    Returns
    -------
    torch.Tensor
        The SI-SDR improvement in decibels, shape (excerpts, source); not a number
        where a source is silent.

    Raises
    ------
    ValueError
        If the excerpts or the masks have another shape, or `batch` is below 1.
    """
    _expect("excerpts", excerpts, ("excerpts", "source", "samples"))
    training = isinstance(masker, nn.Module) and masker.training
    if isinstance(masker, nn.Module):
        masker.eval()
    try:
        with torch.no_grad():
            scores = []
            for sources in excerpts.split(checks.integer("batch", batch, at_least=1)):
                mixture = sources.sum(dim=1)
                estimates = apply_masks(masker(mixture), mixture)
                scores.append(si_sdr_improvement(estimates, sources))
    finally:
        if training and isinstance(masker, nn.Module):
            masker.train()
    return torch.cat(scores)


def _frames(samples: int) -> int:
    """Return how many frames the spectrogram of so many samples has."""
    return 1 + samples // HOP


def _length(sources: np.ndarray, frames: int) -> int:
    """Return how many samples an excerpt has, if the pieces are as long as that."""
    _expect("sources", sources, ("pieces", "source", "samples"))
    length, samples = samples_of(frames), sources.shape[-1]
    if length > samples:
        raise ValueError(
            f"frames must be at most {_frames(samples)} for {samples} samples, "
            f"got {frames}"
        )
    return length


def _expect_mixture(mixture: Tensor) -> None:
    """Refuse what is neither waveforms nor spectrograms."""
    if mixture.is_complex():
        _expect("mixture", mixture, ("batch", "frame", BINS))
    else:
        _expect("mixture", mixture, ("batch", "samples"))


def _expect_both(masks: Tensor, sources: Tensor) -> None:
    """Refuse masks that fit the sources only by broadcasting, or not at all."""
    _expect("sources", sources, ("batch", "source", "samples"))
    batch, count, samples = sources.shape
    _expect("masks", masks, (batch, count, _frames(samples), BINS))


def _expect(name: str, value: Tensor | np.ndarray, axes: tuple[str | int, ...]) -> None:
    """Refuse what has not the axes it should have: their names, or their sizes."""
    if value.ndim != len(axes) or any(
        isinstance(axis, int) and axis != size
        for axis, size in zip(axes, value.shape, strict=True)
    ):
        raise ValueError(
            f"{name} must have the shape ({', '.join(map(str, axes))}), "
            f"got {tuple(value.shape)}"
        )
