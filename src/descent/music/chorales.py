"""Music to separate: chorales played by two instruments, each on its own track.

The soprano is one source, alto, tenor and bass together are the other; their sum is
the mixture. Scores from music21 are played, note by note, on the SoundFont that comes
with pretty_midi, at 48 kHz, and brought down to 8 kHz behind a low-pass filter. The
same settings give the same samples.

Nothing is downloaded. The finished sources are kept in the user's cache folder (or
the one that the environment variable ``DESCENT_CACHE`` names).

Belongs to :doc:`/separation`.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import platformdirs

from descent import checks, recorded
from descent.files import code_digest, replacing
from descent.music import packages
from descent.music.scores import Note, read_chorale
from descent.music.soundfont import SoundFont

__all__ = [
    "INSTRUMENTS",
    "SAMPLE_RATE",
    "SOURCES",
    "Chorales",
    "Split",
    "cache_folder",
    "load_chorales",
    "mix",
    "play",
]

SAMPLE_RATE = 8000
"""Samples a second of everything that this module returns."""

SOURCES = ("soprano", "accompaniment")
"""What the two sources of a mixture are, in their order."""

INSTRUMENTS = {
    "piano": 0,
    "harpsichord": 6,
    "organ": 19,
    "guitar": 24,
    "violin": 40,
    "viola": 41,
    "cello": 42,
    "strings": 48,
    "choir": 52,
    "trumpet": 56,
    "horn": 60,
    "oboe": 68,
    "clarinet": 71,
    "flute": 73,
}
"""Some instruments of General MIDI, by name; any of its numbers will do, too."""

# Sources that are equally loud come out with this root mean square: mixtures of violin
# and piano then peak at 0.6 to 0.9. None peaks higher than this share of full scale.
_LEVEL, _PEAK = 0.1, 0.98

# One sample, in seconds.
_SHORTEST = 1 / SAMPLE_RATE


@dataclass(frozen=True)
class Split:
    """Some pieces, each with its sources.

    Attributes
    ----------
    names : tuple of str
        The pieces' numbers in the catalog of Bach's works, such as ``"bwv66.6"``.
    titles : tuple of str
        The first lines of their hymns; empty where none is known.
    tunes : tuple of int
        A number for each piece's hymn tune: the same number, the same tune.
    sources : numpy.ndarray
        Shape (pieces, 2, samples), float32, at :data:`SAMPLE_RATE`: soprano and
        accompaniment.
    """

    names: tuple[str, ...]
    titles: tuple[str, ...]
    tunes: tuple[int, ...]
    sources: np.ndarray

    @property
    def mixtures(self) -> np.ndarray:
        """The sums of the sources, shape (pieces, samples)."""
        return np.asarray(self.sources.sum(axis=1))

    def __len__(self) -> int:
        return len(self.names)


class Chorales(NamedTuple):
    """Three splits that share no tune.

    Attributes
    ----------
    training, validation, test : Split
        To learn from, to choose settings by, and to look at once in the end.
    """

    training: Split
    validation: Split
    test: Split


@dataclass(frozen=True)
class _Settings:
    """All that the sound depends on, besides the versions of packages."""

    pieces: tuple[int, int, int]
    soprano: int
    accompaniment: int
    seconds: float
    tempo: float
    transpose: int
    gain: float


def load_chorales(
    *,
    pieces: tuple[int, int, int] = (54, 9, 9),
    soprano: str | int = "violin",
    accompaniment: str | int = "piano",
    seconds: float = 16.0,
    tempo: float = 90.0,
    transpose: int = 0,
    gain: float = 0.0,
    cache: bool = True,
) -> Chorales:
    """Return chorales as sources, split by tune for training, validation and test.

    An eighth of the tunes is for validation and an eighth for the test, drawn once
    and for all; so a tune, in whatever harmonization and whatever the settings, is
    always on the same side. Each split takes one piece of every tune before it takes
    a second. One tune is what begins alike, in any key and under any title, or has
    the same title; a program in the repository, ``experiments/tunes.py``, has grouped
    the 364 chorales for four voices by that, once.

    Parameters
    ----------
    pieces : tuple of int
        How many pieces for training, validation and test, each at least 1.
    soprano, accompaniment : str or int
        Instruments: a name in :data:`INSTRUMENTS`, or a number of General MIDI, 0 to
        127.
    seconds : float
        How much of each piece, from its beginning; at least one sample. A shorter
        piece is followed by silence.
    tempo : float
        Quarter notes a minute, above 0.
    transpose : int
        How many semitones higher (or lower) to play, at most 24.
    gain : float
        How many decibels the soprano is louder than the accompaniment (or softer),
        at most 100. Mixtures are about equally loud with any gain, and never leave
        the range from -1 to 1; see :func:`mix`.
    cache : bool
        Whether to look the result up, and keep it, in the cache folder.

    Returns
    -------
    Chorales
        The three splits. A few seconds of work; a tenth of a second from the cache.

    Raises
    ------
    ImportError, FileNotFoundError
        If music21 or pretty_midi is missing or of another version.
    TypeError, ValueError
        If an argument is of the wrong kind or out of range, or there are not so many
        pieces.
    """
    counts = tuple(pieces) if isinstance(pieces, Iterable) else ()
    if len(counts) != 3:
        raise ValueError(f"pieces must be three numbers, got {pieces!r}")
    training, validation, test = (
        checks.integer("pieces", count, at_least=1) for count in counts
    )
    settings = _Settings(
        pieces=(training, validation, test),
        soprano=_program("soprano", soprano),
        accompaniment=_program("accompaniment", accompaniment),
        seconds=checks.real("seconds", seconds, at_least=_SHORTEST),
        tempo=checks.real("tempo", tempo, above=0),
        transpose=checks.integer("transpose", transpose, at_least=-24, at_most=24),
        gain=_gain(gain),
    )
    for package in packages.NEEDED:
        packages.require(package)
    path = cache_folder() / f"chorales-{_key(settings)}.npz"
    if cache and (kept := _read_cache(path)) is not None:
        return kept
    made = Chorales(
        *(
            _play_split(tunes, count, settings)
            for tunes, count in zip(_split_tunes(), settings.pieces, strict=True)
        )
    )
    if cache:
        _write_cache(path, made)
    return made


def play(
    notes: Sequence[Note],
    instrument: str | int,
    *,
    seconds: float,
    tempo: float = 90.0,
    transpose: int = 0,
) -> np.ndarray:
    """Play notes on one instrument.

    Parameters
    ----------
    notes : sequence of Note
        The notes, of one voice or several.
    instrument : str or int
        A name in :data:`INSTRUMENTS`, or a number of General MIDI, 0 to 127.
    seconds : float
        How much to return; at least one sample.
    tempo : float
        Quarter notes a minute, above 0.
    transpose : int
        How many semitones higher (or lower) to play, at most 127; what leaves the
        range of MIDI's pitches is left out.

    Returns
    -------
    numpy.ndarray
        Shape (samples,), float32, at :data:`SAMPLE_RATE`; all zeros where nobody plays.

    Raises
    ------
    ImportError, FileNotFoundError
        If pretty_midi is missing or of another version.
    TypeError, ValueError
        If an argument is of the wrong kind or out of range, or a note begins before
        the piece.
    """
    program = _program("instrument", instrument)
    seconds = checks.real("seconds", seconds, at_least=_SHORTEST)
    tempo = checks.real("tempo", tempo, above=0)
    transpose = checks.integer("transpose", transpose, at_least=-127, at_most=127)
    return _play(notes, program, seconds, tempo, transpose)


def _play(
    notes: Sequence[Note], program: int, seconds: float, tempo: float, transpose: int
) -> np.ndarray:
    """Play notes, the arguments checked."""
    samples = round(seconds * SAMPLE_RATE)
    font = _soundfont()
    played = np.zeros(samples, dtype=np.float32)
    for onset, duration, pitch in notes:
        if onset < 0:
            raise ValueError(f"notes must begin at 0 or later, got an onset of {onset}")
        start = round(onset * 60 / tempo * SAMPLE_RATE)
        pitch += transpose
        if start < samples and duration > 0 and 0 <= pitch < 128:
            held = float(duration * 60 / tempo)
            note = font.note(program, pitch, held, SAMPLE_RATE)[: samples - start]
            played[start : start + len(note)] += note
    return played


def mix(
    soprano: np.ndarray, accompaniment: np.ndarray, gain: float = 0.0
) -> np.ndarray:
    """Bring two sources to the levels that they have in a mixture.

    Parameters
    ----------
    soprano, accompaniment : numpy.ndarray
        The sources, both of shape (samples,).
    gain : float
        How many decibels the soprano is louder than the accompaniment (or softer),
        at most 100, measured by the root mean square over the whole length. The
        powers of both add up to the same with any gain, so that the mixture is about
        as loud.

    Returns
    -------
    numpy.ndarray
        Shape (2, samples), float32; the sum over the first axis is the mixture. A
        silent source stays silent, and the other has the level that it would have
        beside one that sounds. Where the mixture or a source would peak above 0.98,
        both are turned down alike until they do not.

    Raises
    ------
    TypeError, ValueError
        If the lengths differ, a sample is not a finite number, or `gain` is of the
        wrong kind or out of range.
    """
    ratio = 10 ** (_gain(gain) / 10)  # of the powers
    if soprano.shape != accompaniment.shape or soprano.ndim != 1 or not soprano.size:
        raise ValueError(
            "soprano and accompaniment must have the same shape (samples,), "
            f"got {soprano.shape} and {accompaniment.shape}"
        )
    sources = np.stack([soprano, accompaniment]).astype(np.float64)
    if not np.isfinite(sources).all():
        raise ValueError("soprano and accompaniment must hold finite numbers only")
    rms = np.sqrt((sources**2).mean(axis=1, keepdims=True))  # (2, 1)
    levels = _LEVEL * np.sqrt(np.array([[ratio], [1]]) * (2 / (1 + ratio)))
    scale = np.divide(levels, rms, out=np.zeros_like(rms), where=rms > 0)
    sources *= scale
    peak = max(np.abs(sources).max(), np.abs(sources.sum(axis=0)).max())
    if peak > _PEAK:
        sources *= _PEAK / peak
    return sources.astype(np.float32)


def cache_folder() -> Path:
    """Return the folder that finished sources are kept in.

    The one that the environment variable ``DESCENT_CACHE`` names; without it
    ``descent`` among the user's caches, on Linux ``~/.cache/descent``.

    Returns
    -------
    pathlib.Path
        The folder; it need not be there yet.
    """
    named = os.environ.get("DESCENT_CACHE")
    return Path(named) if named else platformdirs.user_cache_path("descent")


def _gain(value: float) -> float:
    """Return a gain in decibels, if float32 can hold both sources."""
    return checks.real("gain", value, at_least=-100, at_most=100)


def _program(name: str, instrument: str | int) -> int:
    """Return an instrument's number in General MIDI."""
    if isinstance(instrument, str):
        return INSTRUMENTS[checks.one_of(name, instrument, tuple(INSTRUMENTS))]
    return checks.integer(name, instrument, at_least=0, at_most=127)


@lru_cache(maxsize=1)
def _soundfont() -> SoundFont:
    """Return the instruments, read once."""
    return SoundFont(packages.soundfont())


def _split_tunes() -> tuple[list[list[tuple[int, str]]], ...]:
    """Return the tunes of training, validation and test: their number, each name."""
    tunes = [
        [(number, name) for name in names]
        for number, names in enumerate(recorded.load("tunes")["tunes"])
    ]
    order = np.random.default_rng(0).permutation(len(tunes))
    eighth = len(tunes) // 8
    test, validation, training = np.split(order, [eighth, 2 * eighth])
    return tuple([tunes[i] for i in part] for part in (training, validation, test))


def _choose(tunes: list[list[tuple[int, str]]], count: int) -> list[tuple[int, str]]:
    """Return tune and name of each piece: first one of every tune, then another."""
    available = sum(map(len, tunes))
    if count > available:
        raise ValueError(
            f"pieces must be at most {available} from the {len(tunes)} tunes of this "
            f"split, got {count}"
        )
    rounds = range(max(map(len, tunes)))
    return [tune[i] for i in rounds for tune in tunes if i < len(tune)][:count]


def _play_split(
    tunes: list[list[tuple[int, str]]], count: int, settings: _Settings
) -> Split:
    """Choose and play the pieces of one split."""
    chosen = _choose(tunes, count)
    how = (settings.seconds, settings.tempo, settings.transpose)
    chorales = [read_chorale(name) for _, name in chosen]
    sources = []
    for chorale in chorales:
        soprano, *others = chorale.parts
        rest = [note for part in others for note in part]
        top = _play(soprano, settings.soprano, *how)
        bottom = _play(rest, settings.accompaniment, *how)
        sources.append(mix(top, bottom, settings.gain))
    return Split(
        names=tuple(chorale.name for chorale in chorales),
        titles=tuple(chorale.title for chorale in chorales),
        tunes=tuple(number for number, _ in chosen),
        sources=np.stack(sources),
    )


def _key(settings: _Settings) -> str:
    """Return a name for what these settings, versions and lines of code give."""
    package = Path(__file__).parents[1]
    read = [
        code_digest(package / "music" / name)
        for name in ("scores.py", "soundfont.py", "chorales.py")
    ]
    tunes = (package / "recorded" / "tunes.json").read_bytes()
    read.append(hashlib.sha256(tunes).hexdigest())
    depends = [read, packages.NEEDED, np.__version__, asdict(settings)]
    return hashlib.sha256(json.dumps(depends, default=int).encode()).hexdigest()[:16]


def _read_cache(path: Path) -> Chorales | None:
    """Return what is in the cache, or nothing if it is not there or damaged."""
    try:
        with path.open("rb") as file, np.load(file) as kept:  # checks every sum
            splits = []
            for name in Chorales._fields:
                texts = json.loads(str(kept[f"{name}-texts"]))
                splits.append(
                    Split(
                        names=tuple(texts["names"]),
                        titles=tuple(texts["titles"]),
                        tunes=tuple(texts["tunes"]),
                        sources=kept[name],
                    )
                )
            return Chorales(*splits)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def _write_cache(path: Path, chorales: Chorales) -> None:
    """Keep the result, whole or not at all, even if two programs do so at once."""
    arrays: dict[str, np.ndarray] = {}
    for name, split in chorales._asdict().items():
        texts = {
            "names": split.names,
            "titles": split.titles,
            "tunes": split.tunes,
        }
        arrays[name] = split.sources
        arrays[f"{name}-texts"] = np.array(json.dumps(texts))
    with suppress(OSError):  # a full or read-only disk: the next call plays them again
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
