"""Sound in a page: players with a picture of what they play.

Sound is embedded uncompressed, so that what you hear is what was computed, and
nothing else. A notebook shows a player for each sound. For the book's build the same
files lie beside that HTML, as its metadata: of sounds that are takes of one piece, a
page makes one player, which switches between them while it plays.

Belongs to :doc:`/separation`.
"""

from __future__ import annotations

import base64
import html
import io
import wave
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from PIL import Image

from descent import checks
from descent.page.figures import MAP

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TAKES", "Players", "wav"]

# Under this name what a cell shows has, in the metadata of its HTML, the takes.
TAKES = "descent_takes"

# What a picture shows: this many decibels below the loudest place of all.
_RANGE = 60.0

# A picture's height in pixels is twice the number of its bins: up to 2 kHz at 8 kHz.
_BINS = 64


def wav(waveform: np.ndarray, sample_rate: int) -> bytes:
    """Return a WAV file of one channel, 16 bits a sample.

    Parameters
    ----------
    waveform : numpy.ndarray
        Shape (samples,), from -1 to 1.
    sample_rate : int
        Samples a second.

    Returns
    -------
    bytes
        The file.

    Raises
    ------
    ValueError
        If the waveform has another shape, or leaves the range.
    """
    waveform = np.asarray(waveform)
    if waveform.ndim != 1 or waveform.size == 0:
        raise ValueError(f"waveform must have shape (samples,), got {waveform.shape}")
    if not np.abs(waveform).max() <= 1:
        raise ValueError(
            f"waveform must lie between -1 and 1, got {np.abs(waveform).max()}"
        )
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(checks.integer("sample_rate", sample_rate, at_least=1))
        out.writeframes(np.round(waveform * 32767).astype("<i2").tobytes())
    return file.getvalue()


class Players:
    """A list of sounds, each with its name, its spectrogram and a player.

    All sounds get louder or softer by the same factor, so that the loudest peak is
    just below full scale and the others keep their distance; the same holds for the
    colors of the pictures.

    Parameters
    ----------
    sounds : mapping
        Waveforms by name, each of shape (samples,), more than 256 samples long.
    sample_rate : int
        Samples a second.

    Raises
    ------
    ValueError
        If there is no sound, or one has another shape, is too short for a spectrogram,
        or holds something else than finite numbers.
    """

    def __init__(
        self, sounds: Mapping[str, np.ndarray | Tensor], sample_rate: int = 8000
    ) -> None:
        # With PyTorch, without which the builder starts sooner; it only reads `TAKES`.
        from descent.music.spectrogram import N_FFT

        if not sounds:
            raise ValueError("sounds must hold at least one waveform, got none")
        waves = {}
        for name, waveform in sounds.items():
            if checks.is_tensor(waveform):
                waveform = waveform.detach().cpu().numpy()
            sound = np.asarray(waveform, np.float32)
            if sound.ndim != 1 or sound.size <= N_FFT // 2:
                raise ValueError(
                    f"sounds[{name!r}] must have shape (samples,) with more than "
                    f"{N_FFT // 2} samples, got {sound.shape}"
                )
            if not np.isfinite(sound).all():
                raise ValueError(f"sounds[{name!r}] must hold finite numbers only")
            waves[name] = sound
        peak = max(float(np.abs(sound).max()) for sound in waves.values())
        factor = 0.98 / peak if peak > 0 else 1.0
        self.sounds = {
            name: (factor * sound.astype(float)).astype(np.float32)
            for name, sound in waves.items()
        }
        self.sample_rate = checks.integer("sample_rate", sample_rate, at_least=1)

    def __repr__(self) -> str:
        return f"Players of {', '.join(self.sounds)}"

    def _repr_mimebundle_(
        self, include: Any = None, exclude: Any = None
    ) -> tuple[dict[str, str], dict[str, Any]]:
        """Return HTML for notebooks and, as its metadata, the parts for a page."""
        takes = self._takes()
        rows = "".join(map(_row, takes))
        shown = {"text/html": f'<div class="players">{rows}</div>'}
        return shown, {"text/html": {TAKES: takes}}

    def _takes(self) -> list[dict[str, Any]]:
        """Return each sound's name, length in seconds, picture with size, and file."""
        loud = {name: _levels(sound) for name, sound in self.sounds.items()}
        top = max(float(levels.max()) for levels in loud.values())
        takes = []
        for name, levels in loud.items():
            picture = _picture(levels - top)  # in decibels, 0 the loudest
            file = io.BytesIO()
            # A third of a PNG, and the eye sees no difference.
            picture.save(file, "WEBP", quality=70, method=6)
            sound = self.sounds[name]
            takes.append(
                {
                    "name": name,
                    "seconds": sound.size / self.sample_rate,
                    "width": picture.width,
                    "height": picture.height,
                    "picture": _text(file.getvalue()),
                    "wav": _text(wav(sound, self.sample_rate)),
                }
            )
        return takes


def _levels(sound: np.ndarray) -> np.ndarray:
    """Return a spectrogram in decibels, shape (bins, frames), low bins last."""
    import torch

    from descent.music.spectrogram import stft

    magnitude = stft(torch.from_numpy(np.ascontiguousarray(sound))).abs()
    lowest: np.ndarray = 20 * np.log10(magnitude.T.numpy()[:_BINS][::-1] + 1e-5)
    return lowest


def _picture(levels: np.ndarray) -> Image.Image:
    """Return levels in colors, two pixels a bin and two a frame."""
    shown = np.clip(1 + levels / _RANGE, 0, 1)
    colors = np.round(mpl.colormaps[MAP](shown)[..., :3] * 255).astype(np.uint8)
    image = Image.fromarray(colors)
    return image.resize((2 * image.width, 2 * image.height))


def _row(take: Mapping[str, Any]) -> str:
    """Return the HTML of one sound in a notebook; nothing plays or loads by itself."""
    name = html.escape(take["name"], quote=True)
    # What a row holds stands beside each other, the text at half its height; a cell's
    # output is narrow, so the picture has half its width.
    middle = "vertical-align: middle"
    return (
        f'<div class="player"><span style="{middle}; '
        f'display: inline-block; width: 9em">{name}</span>'
        f'<img class="dark-light" alt="Spectrogram of: {name}" '
        f'src="data:image/webp;base64,{take["picture"]}" '
        f'width="{take["width"] // 2}" height="{take["height"]}" loading="lazy" '
        f'style="{middle}"> '
        f'<audio controls preload="none" aria-label="{name}" '
        f'src="data:audio/wav;base64,{take["wav"]}" style="{middle}"></audio></div>'
    )


def _text(data: bytes) -> str:
    """Return a file as text."""
    return base64.b64encode(data).decode("ascii")
