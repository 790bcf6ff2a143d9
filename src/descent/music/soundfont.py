"""A sampler: recorded notes of a SoundFont, played at any pitch and for any time.

What it does is what the SoundFont 2.01 specification asks of a sampler, as far as
plain notes need it: choose the recordings for a key, play them faster or slower for
their pitch, go round their loops while the key is down, and shape the loudness by
attack, hold, decay, sustain and release. Filters, vibrato, panorama and controllers
are left out.

Libraries do this, too, but none that can be used here: tinysoundfont cannot be
installed without a compiler and PortAudio, since it needs pyaudio to play aloud;
symusic plays up to four semitones out of tune; pyfluidsynth and midirenderer are in
tune, but the first needs a library of the system, which pip does not bring, and the
second takes ten times as long. When tinysoundfont installs without pyaudio, it
replaces this module (and the chorales then sound a little different: it has filters
and vibrato).

Not the sampler but the SoundFont of pretty_midi is out of tune in places: held notes
of the horn are 20 cents flat from 62 to 64, those of the flute 15 cents sharp from 62
to 65 and 13 cents from 69 to 71.

Belongs to :doc:`/separation`.
"""

import itertools
import struct
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from descent import checks

__all__ = ["SoundFont"]

# Played at a multiple of the rate that is asked for, so that overtones too high for
# it can be taken out instead of being folded down.
_FACTOR = 6

# The low-pass filter is this many output samples long: at 8 kHz flat to 3 kHz,
# -10 dB at 3.8 and -45 dB at 4.2.
_TAPS = 32

# The generators (settings of a zone) that are understood, by their numbers in the
# specification, and what each is where nothing is said.
_DEFAULTS = {
    0: 0,  # start of the sample, offset
    1: 0,  # its end, offset
    2: 0,  # start of the loop, offset
    3: 0,  # its end, offset
    4: 0,  # start, in 32768 samples
    12: 0,  # end, in 32768 samples
    33: -12000,  # delay, in timecents: 1200 for each doubling of a second
    34: -12000,  # attack
    35: -12000,  # hold
    36: -12000,  # decay
    37: 0,  # sustain, in centibels below the peak
    38: -12000,  # release
    39: 0,  # how much shorter the hold gets with each key
    40: 0,  # how much shorter the decay gets
    45: 0,  # start of the loop, in 32768 samples
    48: 0,  # attenuation in centibels
    50: 0,  # end of the loop, in 32768 samples
    51: 0,  # tuning in semitones
    52: 0,  # tuning in cents
    54: 0,  # loop: 1 always, 3 while the key is down
    56: 100,  # cents from key to key
    58: -1,  # the key at which the sample is heard as recorded
}
_KEYS, _VELOCITIES, _INSTRUMENT, _SAMPLE = 43, 44, 41, 53

# Settings that a preset cannot add to.
_ABSOLUTE = {0, 1, 2, 3, 4, 12, 45, 50, 54, 58}

Zone = dict[int, Any]


class _Recording(NamedTuple):
    """One sample of the file, places counted in samples."""

    start: int
    end: int
    loop_start: int
    loop_end: int
    rate: int
    key: int
    cents: int


class SoundFont:
    """The instruments of a SoundFont file.

    Parameters
    ----------
    path : str or pathlib.Path
        A file in the format SoundFont 2 (``.sf2``).

    Raises
    ------
    ValueError
        If the file is not one, or is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        data = Path(path).read_bytes()
        try:
            chunks = _chunks(data)
            self._samples = np.frombuffer(chunks["smpl"], dtype="<i2")
            self._recordings = [
                _Recording(*row[1:8])
                for row in struct.iter_unpack("<20s5IBb2H", chunks["shdr"])
            ]
            instruments = [
                row[1] for row in struct.iter_unpack("<20sH", chunks["inst"])
            ]
            self._instruments = _zones(
                instruments, chunks["ibag"], chunks["igen"], _SAMPLE
            )
            headers = list(struct.iter_unpack("<20s3H3I", chunks["phdr"]))
            presets = _zones(
                [row[3] for row in headers], chunks["pbag"], chunks["pgen"], _INSTRUMENT
            )
        except (KeyError, struct.error, IndexError, ValueError) as error:
            raise ValueError(
                f"path must be a SoundFont 2 file, {path} is none or damaged: {error}"
            ) from error
        # Bank 0 has the melodic instruments; the last header only marks the end.
        self._presets = {
            row[1]: zones
            for row, zones in zip(headers[:-1], presets, strict=True)
            if row[2] == 0
        }
        # A piece repeats few pitches and durations many times.
        self._remembered = lru_cache(maxsize=4096)(self._note)

    def note(
        self, program: int, pitch: int, seconds: float, rate: int, velocity: int = 80
    ) -> np.ndarray:
        """Play one note.

        Parameters
        ----------
        program : int
            The instrument, 0 to 127.
        pitch : int
            MIDI number; 69 is A at 440 Hz.
        seconds : float
            How long the key is down.
        rate : int
            Samples a second.
        velocity : int
            Which recordings to take, 1 to 127.

        Returns
        -------
        numpy.ndarray
            Shape (samples,), float32: the note and its release. Not to be changed.

        Raises
        ------
        ValueError
            If the file has no such instrument, or an argument is out of range.
        """
        program = checks.integer("program", program, at_least=0)
        pitch = checks.integer("pitch", pitch, at_least=0, at_most=127)
        seconds = checks.real("seconds", seconds, above=0)
        rate = checks.integer("rate", rate, at_least=1)
        velocity = checks.integer("velocity", velocity, at_least=1, at_most=127)
        if program not in self._presets:
            raise ValueError(
                f"program must be one of {sorted(self._presets)}, got {program}"
            )
        return self._remembered(program, pitch, seconds, rate, velocity)

    def _note(
        self, program: int, pitch: int, seconds: float, rate: int, velocity: int
    ) -> np.ndarray:
        """Play one note, its arguments checked."""
        parts = [
            self._play(zone, recording, pitch, seconds, rate * _FACTOR)
            for zone, recording in self._regions(program, pitch, velocity)
        ]
        played = np.zeros(max(map(len, parts), default=0))
        for part in parts:
            played[: len(part)] += part
        note = _decimate(played)
        note.flags.writeable = False
        return note

    def _regions(
        self, program: int, pitch: int, velocity: int
    ) -> list[tuple[Zone, _Recording]]:
        """Return the settings and the recording of all that sounds for a key."""
        regions = []
        for preset in self._presets[program]:
            if not _covers(preset, pitch, velocity):
                continue
            for zone in self._instruments[preset[_INSTRUMENT]]:
                if not _covers(zone, pitch, velocity):
                    continue
                settings = {**_DEFAULTS, **zone}
                for number, value in preset.items():
                    if number in _DEFAULTS and number not in _ABSOLUTE:
                        settings[number] += value
                regions.append((settings, self._recordings[zone[_SAMPLE]]))
        return regions

    def _play(
        self, zone: Zone, recording: _Recording, pitch: int, seconds: float, rate: int
    ) -> np.ndarray:
        """Return one recording at a pitch, shape (samples,)."""
        key = recording.key if zone[58] < 0 else zone[58]
        cents = (pitch - key) * zone[56] + 100 * zone[51] + zone[52] + recording.cents
        step = recording.rate / rate * 2 ** (cents / 1200)  # samples a sample

        envelope = _envelope(zone, pitch, seconds, rate)
        places = recording.start + zone[0] + 32768 * zone[4]
        places = places + step * np.arange(len(envelope))
        end = recording.end + zone[1] + 32768 * zone[12]
        loop_start = recording.loop_start + zone[2] + 32768 * zone[45]
        length = recording.loop_end + zone[3] + 32768 * zone[50] - loop_start
        if zone[54] in (1, 3) and length > 0:
            beyond = places >= loop_start + length
            places[beyond] = loop_start + (places[beyond] - loop_start) % length
        else:
            places = places[places < end - 1]
        before = places.astype(np.int64)
        part = places - before
        around = self._samples[before] * (1 - part) + self._samples[before + 1] * part
        return around / 32768 * envelope[: len(around)]


def _envelope(zone: Zone, pitch: int, seconds: float, rate: int) -> np.ndarray:
    """Return the loudness over time as a factor, until the release has ended."""

    def time(number: int, scale: int | None = None) -> float:
        cents = zone[number] + ((60 - pitch) * zone[scale] if scale else 0)
        return float(2 ** (cents / 1200))

    delay, attack, release = time(33), time(34), min(time(38), 2.0)
    hold, decay = time(35, 39), time(36, 40)
    sustain = min(max(zone[37] / 10, 0.0), 100.0)  # dB below the peak
    t = np.arange(round((seconds + release) * rate)) / rate
    # Times of decay and release are those of a fall by 100 dB.
    falling = np.clip((t - delay - attack - hold) * (100 / decay), 0, sustain)
    falling += np.clip((t - seconds) * (100 / release), 0, None)
    rising = np.clip((t - delay) / attack, 0, 1)
    return np.asarray(rising * 10 ** (-(falling + zone[48] / 10) / 20))


def _decimate(played: np.ndarray) -> np.ndarray:
    """Keep one sample in `_FACTOR`, without what is too high for that.

    A windowed-sinc low-pass filter, computed only where its output is kept. Sums
    are taken in one fixed order, so that they are the same on any machine.
    """
    half = _TAPS * _FACTOR // 2
    time = np.arange(-half, half) / _FACTOR
    taps = np.sinc(0.92 * time) * np.kaiser(2 * half + 1, 8)[:-1]
    taps /= taps.sum()
    samples = -(-len(played) // _FACTOR)
    padded = np.pad(played, (half, half + _FACTOR))
    kept = np.zeros(samples)
    for start, tap in enumerate(taps):
        kept += tap * padded[start::_FACTOR][:samples]
    return kept.astype(np.float32)


def _chunks(data: bytes) -> dict[str, bytes]:
    """Return the chunks of a RIFF file by name, those in lists among them."""
    if data[:4] != b"RIFF" or data[8:12] != b"sfbk":
        raise ValueError("it does not begin like one")
    chunks = {}
    place = 12
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        place += 8
        if name == b"LIST":
            place += 4  # go on with what is inside
            continue
        if place + size > len(data):
            raise ValueError("it ends too early")
        chunks[name.decode("ascii", "replace")] = data[place : place + size]
        place += size + size % 2
    return chunks


def _zones(
    first: list[int], bags: bytes, settings: bytes, last: int
) -> list[list[Zone]]:
    """Return the zones of each preset or instrument, those of all put into each.

    `first` is the number of each one's first bag, `last` the generator that a zone
    ends with; a first zone without it holds what is the same in all others.
    """
    starts = [row[0] for row in struct.iter_unpack("<2H", bags)]
    generators = list(struct.iter_unpack("<H2s", settings))
    owners = []
    for begin, end in itertools.pairwise(first):
        common: Zone = {}
        zones = []
        for bag in range(begin, end):
            zone = dict(common)
            for number, raw in generators[starts[bag] : starts[bag + 1]]:
                zone[number] = _value(number, raw)
            if last in zone:
                zones.append(zone)
            elif bag == begin:
                common = zone
        owners.append(zones)
    return owners


def _value(number: int, raw: bytes) -> int | tuple[int, int]:
    """Return what two bytes mean: a range, a number of something, or an amount."""
    if number in (_KEYS, _VELOCITIES):
        return raw[0], raw[1]
    if number in (_INSTRUMENT, _SAMPLE):
        return int.from_bytes(raw, "little")
    return int.from_bytes(raw, "little", signed=True)


def _covers(zone: Zone, pitch: int, velocity: int) -> bool:
    """Return whether a zone sounds for a key."""
    low, high = zone.get(_KEYS, (0, 127))
    soft, loud = zone.get(_VELOCITIES, (0, 127))
    return bool(low <= pitch <= high and soft <= velocity <= loud)
