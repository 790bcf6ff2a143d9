"""Chorales as data: sources that add up, repeatable, split by tune, kept safely."""

import functools
import hashlib
import itertools
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

from descent.music import chorales as module
from descent.music import packages
from descent.music.chorales import SAMPLE_RATE, cache_folder, load_chorales, mix, play
from descent.music.scores import Note
from descent.page.audio import wav

ROOT = Path(__file__).parents[3]
SMALL = {"pieces": (2, 1, 1), "seconds": 2.0}


@pytest.fixture(scope="module", autouse=True)
def read_once():
    """Read no score twice: how they are read is tried in test_scores.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "read_chorale", functools.cache(module.read_chorale))
        yield


MELODY = [Note(0, 1, 69), Note(1, 1, 71), Note(2, 2, 72)]


def pitch_of(sound: np.ndarray) -> float:
    """Return the strongest frequency of a flute's sound."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return np.argmax(spectrum) * SAMPLE_RATE / len(sound)


def test_sizes_levels_and_the_mixture(chorales):
    for split, pieces in zip(chorales, (54, 9, 9), strict=True):
        assert split.sources.shape == (pieces, 2, 16 * SAMPLE_RATE)
        assert split.sources.dtype == np.float32
        assert len(split) == len(split.names) == len(split.titles) == pieces
        soprano, accompaniment = split.sources[:, 0], split.sources[:, 1]
        assert np.array_equal(split.mixtures, soprano + accompaniment)
        energy = (split.sources.astype(float) ** 2).sum(axis=-1)
        np.testing.assert_allclose(energy[:, 0], energy[:, 1], rtol=1e-5)  # 0 dB
        assert 0.3 < np.abs(split.mixtures).max() < 1


def test_soprano_and_accompaniment_are_what_their_names_say(chorales):
    # The soprano sings between 250 and 800 Hz; the bass below 250.
    spectrum = np.abs(np.fft.rfft(chorales.test.sources)) ** 2
    low = int(240 * chorales.test.sources.shape[-1] / SAMPLE_RATE)
    share = spectrum[..., :low].sum(axis=(0, 2)) / spectrum.sum(axis=(0, 2))
    assert share[0] < 0.01
    assert share[1] > 0.1


def test_no_tune_is_in_two_splits_whatever_is_asked_for(chorales):
    for one, two in itertools.combinations(chorales, 2):
        assert not set(one.tunes) & set(two.tunes)
        assert not set(one.names) & set(two.names)
        assert not {*one.titles} & {*two.titles} - {""}
    # A tune's first harmonization comes before the second one of any.
    assert len(set(chorales.training.tunes)) == 54
    # All pieces that there are, without playing them.
    every = [
        module._choose(tunes, sum(map(len, tunes))) for tunes in module._split_tunes()
    ]
    assert sum(map(len, every)) == 364
    tunes = [{tune for tune, _ in split} for split in every]
    names = [{name for _, name in split} for split in every]
    for group in (tunes, names):
        assert not any(one & two for one, two in itertools.combinations(group, 2))
    # Harmonizations of one tune are there to be confused.
    assert len(tunes[0]) < 0.8 * len(every[0])


@pytest.mark.slow
def test_another_process_makes_the_same_samples():
    here = load_chorales(**SMALL, cache=False)
    code = (
        "import hashlib; from descent.music.chorales import load_chorales\n"
        f"data = load_chorales(**{SMALL}, cache=False)\n"
        "print(hashlib.sha256(b''.join(s.sources.tobytes() for s in data)).hexdigest())"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    whole = b"".join(split.sources.tobytes() for split in here)
    assert said.strip() == hashlib.sha256(whole).hexdigest()


# --- A reader's own experiments


def test_notes_sound_when_and_as_high_as_written():
    sound = play(MELODY, "flute", seconds=4.0, tempo=60)
    assert sound.shape == (4 * SAMPLE_RATE,)
    for second, frequency in ((0, 440), (1, 493.9), (2, 523.3)):
        part = sound[second * SAMPLE_RATE :][400:SAMPLE_RATE]
        assert pitch_of(part) == pytest.approx(frequency, rel=0.02)


def test_another_key_another_tempo_another_instrument():
    higher = play(MELODY, "flute", seconds=1.0, tempo=60, transpose=5)
    assert pitch_of(higher[400:]) == pytest.approx(440 * 2 ** (5 / 12), rel=0.02)
    faster = play(MELODY, "flute", seconds=0.5, tempo=120)
    assert pitch_of(faster[400:]) == pytest.approx(440, rel=0.02)
    assert not np.array_equal(faster, play(MELODY, 73 - 1, seconds=0.5, tempo=120))
    assert np.array_equal(faster, play(MELODY, 73, seconds=0.5, tempo=120))
    assert np.any(play(MELODY, "flute", seconds=1.0, transpose=80) == 0)


def test_silence_stays_silence():
    silence = play([], "violin", seconds=1.0)
    assert silence.shape == (SAMPLE_RATE,)
    assert not silence.any()
    sources = mix(play(MELODY, "violin", seconds=1.0), silence)
    assert sources[0].any()
    assert not sources[1].any()


@pytest.mark.parametrize("gain", [-6.0, 0.0, 10.0])
def test_gain_is_in_decibels(gain):
    one = play(MELODY, "violin", seconds=1.0)
    two = play(MELODY, "piano", seconds=1.0)
    energy = (mix(one, two, gain).astype(float) ** 2).sum(axis=1)
    assert 10 * np.log10(energy[0] / energy[1]) == pytest.approx(gain, abs=1e-3)


@pytest.mark.parametrize("gain", [-100.0, -40.0, -10.0, 10.0, 40.0, 100.0])
def test_mixtures_are_as_loud_with_any_gain_and_never_leave_full_scale(chorales, gain):
    loudness = []
    for sources in np.concatenate([split.sources for split in chorales]):
        mixed = mix(*sources, gain)
        power = (mixed.astype(float) ** 2).sum(axis=1)
        assert 10 * np.log10(power[0] / power[1]) == pytest.approx(gain, abs=1e-3)
        mixture = mixed.sum(axis=0)
        assert max(np.abs(mixture).max(), np.abs(mixed).max()) <= 1
        wav(mixture, SAMPLE_RATE)
        loudness.append(10 * np.log10((mixture**2).mean() / (2 * 0.1**2)))
    assert np.abs(loudness).max() < 1.6  # the few that are turned down
    assert np.median(np.abs(loudness)) < 0.1


def test_opposed_and_pointed_sources_stay_within_full_scale():
    click = np.zeros(SAMPLE_RATE)
    click[9] = 1.0
    for one, two in ((click, click), (click, -click), (click, np.ones(SAMPLE_RATE))):
        sources = mix(one, two, gain=3.0)
        power = (sources.astype(float) ** 2).sum(axis=1)
        assert 10 * np.log10(power[0] / power[1]) == pytest.approx(3, abs=1e-3)
        assert np.abs(sources).max() <= 1
        assert np.abs(sources.sum(axis=0)).max() <= 1


def test_what_is_no_sound_is_not_mixed():
    for sample in (np.nan, np.inf):
        with pytest.raises(ValueError, match="must hold finite numbers only"):
            mix(np.ones(9), np.full(9, sample))
    with pytest.raises(ValueError, match="must have the same shape"):
        mix(np.ones(0), np.ones(0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pieces": 3}, "pieces must be three numbers, got 3"),
        ({"pieces": (54, 9)}, "pieces must be three numbers"),
        ({"pieces": (54, 9, 0)}, "pieces must be a whole number of at least 1"),
        ({"pieces": (1, 1, 400)}, r"pieces must be at most \d+ from the \d+ tunes"),
        ({"soprano": "kazoo"}, "soprano must be one of 'piano', .*, got 'kazoo'"),
        ({"accompaniment": 128}, "accompaniment must be .* from 0 to 127, got 128"),
        ({"seconds": 0}, "seconds must be a finite number of at least 0.000125, got 0"),
        ({"seconds": 1e-5}, "seconds must be a finite number of at least 0.000125"),
        ({"transpose": 1000}, "transpose must be .* from -24 to 24, got 1000"),
        ({"transpose": -25}, "transpose must be .* from -24 to 24, got -25"),
        (
            {"gain": 1e6},
            "gain must be .* of at least -100 and at most 100, got 1000000",
        ),
        ({"tempo": -1}, "tempo must be a finite number above 0, got -1"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        load_chorales(**{**SMALL, "cache": False, **arguments})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"transpose": 0.5}, TypeError, "transpose must be a whole number from -127"),
        ({"transpose": 128}, ValueError, "transpose must be a whole number from -127"),
        ({"seconds": 1e-5}, ValueError, "seconds must be"),
        ({"tempo": 0}, ValueError, "tempo must be"),
        ({"notes": [Note(-1, 1, 69)]}, ValueError, "notes must begin at 0 or later"),
    ],
)
def test_what_cannot_be_played_is_named(arguments, error, message):
    with pytest.raises(error, match=f"^{message}"):
        play(**{"notes": MELODY, "instrument": 73, "seconds": 1.0, **arguments})


def test_the_limits_can_be_played_and_mixed():
    sound = play(MELODY, "flute", seconds=1 / SAMPLE_RATE, transpose=-127)
    assert sound.shape == (1,)
    loud, soft = mix(np.ones(9), np.ones(9), gain=100.0)
    assert 20 * np.log10(loud[0] / soft[0]) == pytest.approx(100, abs=1e-3)
    with pytest.raises(ValueError, match="gain must be"):
        mix(np.ones(9), np.ones(9), gain=-101.0)


# --- What comes from other packages


def test_the_versions_needed_are_those_that_are_installed_and_pinned():
    pinned = (ROOT / "requirements.txt").read_text()
    for name, needed in packages.NEEDED.items():
        packages.require(name)
        assert re.search(rf"^{name}=={re.escape(needed)}$", pinned, re.MULTILINE)


@pytest.mark.parametrize("name", sorted(packages.NEEDED))
def test_another_version_is_told_with_what_is_needed(monkeypatch, name):
    def version(asked):
        return "0.1" if asked == name else packages.NEEDED[asked]

    monkeypatch.setattr(packages, "version", version)
    needed = re.escape(packages.NEEDED[name])
    with pytest.raises(ImportError, match=f"need {name} {needed}, and 0.1 is inst"):
        load_chorales(**SMALL)


@pytest.mark.parametrize("name", sorted(packages.NEEDED))
def test_a_missing_package_is_told_with_a_remedy(monkeypatch, name):
    def version(asked):
        if asked == name:
            raise PackageNotFoundError(asked)
        return packages.NEEDED[asked]

    monkeypatch.setattr(packages, "version", version)
    with pytest.raises(ModuleNotFoundError, match=f"not installed: pip install {name}"):
        load_chorales(**SMALL)


def test_a_missing_corpus_or_soundfont_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(packages, "_folder", lambda name: tmp_path)
    with pytest.raises(FileNotFoundError, match="need the scores of music21's corpus"):
        packages.corpus()
    with pytest.raises(FileNotFoundError, match="need the SoundFont of pretty_midi"):
        packages.soundfont()
    (tmp_path / "TimGM6mb.sf2").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=r"SHA-256 sum 82475b91a76d\.\.\., got"):
        packages.soundfont()


# --- The cache


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DESCENT_CACHE", str(tmp_path / "new"))
    return tmp_path / "new"


def same(one, two) -> bool:
    return all(
        a.names == b.names
        and a.titles == b.titles
        and a.tunes == b.tunes
        and np.array_equal(a.sources, b.sources)
        for a, b in zip(one, two, strict=True)
    )


@pytest.mark.slow
def test_what_was_played_once_is_not_played_again(own_cache, monkeypatch):
    made = load_chorales(**SMALL)
    (file,) = own_cache.iterdir()
    assert ROOT not in file.parents
    with monkeypatch.context() as patch:
        patch.setattr(module, "_split_tunes", None)
        assert same(load_chorales(**SMALL), made)
    load_chorales(**SMALL, transpose=1)
    assert len(list(own_cache.iterdir())) == 2  # other settings, other file
    with monkeypatch.context() as patch:
        patch.setattr(module.np, "__version__", "another")
        load_chorales(**SMALL)
    assert len(list(own_cache.iterdir())) == 3  # other versions, too


def test_a_damaged_cache_heals(own_cache):
    made = load_chorales(**SMALL)
    (file,) = own_cache.iterdir()
    data = file.read_bytes()
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    for damaged in (b"", data[:-100], flipped, b"something else"):
        file.write_bytes(damaged)
        assert module._read_cache(file) is None
        assert same(load_chorales(**SMALL), made)
        assert list(own_cache.iterdir()) == [file]
        assert module._read_cache(file) is not None


def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(own_cache):
    own_cache.write_text("a file where the folder should be")
    assert len(load_chorales(**SMALL).training) == 2


def test_a_write_that_fails_leaves_nothing_behind(own_cache, monkeypatch):
    def full(file, **arrays):
        file.write(b"half of it")
        raise OSError("No space left on device")

    monkeypatch.setattr(module.np, "savez", full)
    load_chorales(**SMALL)
    assert list(own_cache.iterdir()) == []


def test_the_cache_is_where_caches_belong(monkeypatch):
    monkeypatch.delenv("DESCENT_CACHE", raising=False)
    assert cache_folder().name == "descent"
    assert ROOT not in cache_folder().parents
