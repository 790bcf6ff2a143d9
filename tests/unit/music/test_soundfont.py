"""The sampler: in tune, on time, and clear about a file it cannot use."""

import numpy as np
import pytest

from descent.music import packages
from descent.music.chorales import INSTRUMENTS
from descent.music.soundfont import SoundFont

RATE = 16000


@pytest.fixture(scope="module")
def font():
    return SoundFont(packages.soundfont())


def heard(note: np.ndarray, pitch: int) -> float:
    """Return the pitch that is heard, within a fourth around the one expected.

    The one whose first six harmonics are the strongest, in semitones.
    """
    sounding = note[RATE // 10 : 9 * RATE // 10]
    spectrum = np.abs(np.fft.rfft(sounding * np.hanning(len(sounding)), 1 << 17))
    spectrum = np.log(spectrum + 1e-3 * spectrum.max())
    bins = np.arange(len(spectrum)) * RATE / (1 << 17)
    near = np.arange(pitch - 5, pitch + 5, 0.02)
    frequencies = 440 * 2 ** ((near - 69) / 12)
    strength = sum(np.interp(h * frequencies, bins, spectrum) for h in range(1, 7))
    return near[np.argmax(strength)]


@pytest.mark.parametrize(
    "instrument", ["violin", "piano", "viola", "cello", "flute", "oboe", "clarinet"]
)
def test_every_key_is_in_tune(font, instrument):
    for pitch in range(40, 84, 3):
        note = font.note(INSTRUMENTS[instrument], pitch, 1.0, RATE)
        assert abs(heard(note, pitch) - pitch) < 0.3


def test_a_note_lasts_as_long_as_its_key_is_down(font):
    note = font.note(INSTRUMENTS["violin"], 69, 0.5, RATE)
    loud = np.abs(note) > 0.1 * np.abs(note).max()
    assert np.flatnonzero(loud)[0] < 0.05 * RATE
    assert 0.45 < np.flatnonzero(loud)[-1] / RATE < 0.75
    # A string is bowed on; a struck one dies away.
    for instrument, fades in (("violin", False), ("piano", True)):
        note = font.note(INSTRUMENTS[instrument], 69, 3.0, RATE)
        early, late = (np.std(note[s * RATE // 2 :][: RATE // 4]) for s in (1, 5))
        assert (late < 0.5 * early) == fades


def test_nothing_above_half_of_the_rate_is_folded_down(font):
    # C8 at 4186 Hz cannot be heard at 8000 samples a second, nor its mirror image.
    high = font.note(INSTRUMENTS["flute"], 108, 1.0, 8000)
    low = font.note(INSTRUMENTS["flute"], 84, 1.0, 8000)
    assert np.std(high[800:7200]) < 0.02 * np.std(low[800:7200])


def test_notes_are_remembered_and_safe_from_change(font):
    note = font.note(40, 69, 0.5, RATE)
    with pytest.raises(ValueError, match="read-only"):
        note[0] = 1
    assert np.array_equal(note, SoundFont(packages.soundfont()).note(40, 69, 0.5, RATE))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((200, 60, 1.0, RATE), "program must be one of"),
        ((40, 128, 1.0, RATE), "pitch must be a whole number from 0 to 127, got 128"),
        ((40, -1, 1.0, RATE), "pitch must be"),
        ((40, 60, 0.0, RATE), "seconds must be"),
        ((40, 60, 1.0, 0), "rate must be"),
    ],
)
def test_bad_arguments_are_refused(font, arguments, message):
    with pytest.raises(ValueError, match=message):
        font.note(*arguments)


@pytest.mark.parametrize("keep", [0, 100, 3_000_000])
def test_a_damaged_file_is_refused(tmp_path, keep):
    path = tmp_path / "damaged.sf2"
    path.write_bytes(packages.soundfont().read_bytes()[:keep])
    with pytest.raises(ValueError, match="path must be a SoundFont 2 file"):
        SoundFont(path)
