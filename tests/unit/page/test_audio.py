import base64
import io
import re
import wave

import numpy as np
import pytest
import torch
from PIL import Image

from descent.page.audio import TAKES, Players, wav


def tone(frequency, seconds=1.0, level=0.5):
    time = np.arange(int(8000 * seconds)) / 8000
    return (level * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def html_of(players):
    return players._repr_mimebundle_()[0]["text/html"]


def heard(html):
    """Every sound of some HTML, with its name, as the browser will decode it."""
    found = {}
    for name, data in re.findall(
        r'aria-label="([^"]+)" src="data:audio/wav;base64,([^"]+)"', html
    ):
        with wave.open(io.BytesIO(base64.b64decode(data))) as file:
            assert file.getframerate() == 8000
            frames = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        found[name] = frames / 32767
    return found


def seen(html):
    return [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("L"))
        for data in re.findall(r'src="data:image/webp;base64,([^"]+)"', html)
    ]


def test_a_wav_file_holds_the_samples():
    sound = tone(440)
    with wave.open(io.BytesIO(wav(sound, 8000))) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        frames = np.frombuffer(file.readframes(8000), "<i2")
    assert np.abs(frames / 32767 - sound).max() <= 0.5 / 32767 + 1e-7


@pytest.mark.parametrize(
    "bad", [np.zeros((2, 8)), np.zeros(0), np.array([1.5]), np.array([np.nan])]
)
def test_what_cannot_be_played_is_named(bad):
    with pytest.raises(ValueError, match=r"^waveform must"):
        wav(bad, 8000)


def test_players_keep_the_distance_between_loud_and_soft():
    html = html_of(Players({"loud": tone(440), "soft": tone(440, level=0.05)}))
    sounds = heard(html)
    peaks = {name: np.abs(sound).max() for name, sound in sounds.items()}
    assert peaks["loud"] == pytest.approx(0.98, abs=1e-3)
    assert peaks["soft"] == pytest.approx(0.098, abs=1e-3)


def test_nothing_loads_or_plays_by_itself_and_every_player_has_a_name():
    html = html_of(Players({"a < b": tone(440), "silence": np.zeros(8000)}))
    players = re.findall(r"<audio[^>]*>", html)
    assert len(players) == 2
    for player in players:
        assert "controls" in player
        assert 'preload="none"' in player
        assert "autoplay" not in player
    assert 'aria-label="a &lt; b"' in html
    assert 'alt="Spectrogram of: a &lt; b"' in html
    assert np.abs(heard(html)["silence"]).max() == 0


def test_a_picture_shows_high_tones_above_low_ones():
    low, high = seen(html_of(Players({"low": tone(300), "high": tone(1500)})))
    assert low.mean(axis=1).argmax() > high.mean(axis=1).argmax()


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"x": np.zeros((2, 9))},
        {"x": np.zeros(0)},
        {"x": np.ones(256)},
        {"x": np.full(8000, np.nan)},
        {"good": np.ones(8000), "x": np.where(np.arange(8000) == 9, np.inf, 0)},
    ],
)
def test_players_need_waveforms(bad):
    with pytest.raises(ValueError, match=r"^sounds(\['x'\])? must"):
        Players(bad)


def test_the_shortest_sound_has_a_picture():
    assert len(seen(html_of(Players({"short": np.ones(257)})))) == 1


def test_a_tensor_with_a_graph_can_be_heard():
    sound = torch.from_numpy(tone(440)).requires_grad_()
    html = html_of(Players({"plain": tone(440), "with a graph": 1 * sound}))
    sounds = heard(html)
    assert np.array_equal(sounds["plain"], sounds["with a graph"])


def test_a_page_gets_the_same_files_with_their_lengths_and_sizes():
    shown, metadata = Players(
        {"long": tone(440, seconds=2), "short": tone(880)}
    )._repr_mimebundle_()
    takes = metadata["text/html"][TAKES]
    assert [(take["name"], take["seconds"]) for take in takes] == [
        ("long", 2.0),
        ("short", 1.0),
    ]
    for take in takes:
        assert f'data:audio/wav;base64,{take["wav"]}"' in shown["text/html"]
        with Image.open(io.BytesIO(base64.b64decode(take["picture"]))) as picture:
            assert picture.size == (take["width"], take["height"])
