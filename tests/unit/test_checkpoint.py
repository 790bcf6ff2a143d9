"""A resumed run is the uninterrupted one, and a checkpoint is whole or not there."""

from pathlib import Path

import numpy as np
import pytest
import torch

from descent.checkpoint import load_checkpoint, save_checkpoint
from descent.clipping import AutoClip
from descent.music.separation import MaskNetwork, snr_loss
from descent.seeds import set_seed
from descent.training import Record


class Training:
    """A small run that draws from its own generator and from the global one."""

    def __init__(self) -> None:
        set_seed(1)
        self.parts = {
            "model": MaskNetwork(hidden=4),
            "clip": AutoClip(50),
            "draw": torch.Generator().manual_seed(2),
        }
        self.parts["adam"] = torch.optim.Adam(self.parts["model"].parameters(), 0.01)
        self.losses: list[float] = []

    def run(self, steps: int) -> None:
        model, adam = self.parts["model"], self.parts["adam"]
        for _ in range(steps):
            sources = torch.randn(2, 2, 1000, generator=self.parts["draw"])
            noisy = sources + 0.1 * torch.randn(sources.shape)
            adam.zero_grad()
            loss = snr_loss(model(noisy.sum(dim=1)), noisy)
            loss.backward()
            self.parts["clip"](model.parameters())
            adam.step()
            self.losses.append(loss.item())


def test_a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(tmp_path):
    whole = Training()
    whole.run(10)

    first = Training()
    first.run(6)
    path = tmp_path / "run.pt"
    save_checkpoint(path, **first.parts, losses=first.losses, step=6)
    first.run(2)  # a part that is lost

    second = Training()
    torch.randn(5)  # whatever else happens in between
    values = load_checkpoint(path, **second.parts)
    assert values == {"losses": whole.losses[:6], "step": 6}
    second.losses = values["losses"]
    second.run(4)

    assert second.losses == whole.losses
    for part in ("model", "adam"):
        one, two = whole.parts[part].state_dict(), second.parts[part].state_dict()
        torch.testing.assert_close(two, one, rtol=0, atol=0)
    assert list(second.parts["clip"].history) == list(whole.parts["clip"].history)


def test_a_write_that_fails_leaves_the_old_checkpoint(tmp_path):
    path = tmp_path / "run.pt"
    save_checkpoint(path, step=1)

    class Broken:
        def state_dict(self):
            return {"cannot be saved": (_ for _ in ())}

        def load_state_dict(self, state): ...

    with pytest.raises(TypeError, match=r"^the state of broken must be made of tens"):
        save_checkpoint(path, step=2, broken=Broken())
    assert load_checkpoint(path) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


UNLOADABLE = {
    "list": [np.float64(1.0)],
    "int64": np.int64(3),
    "ndarray": np.ones(3),
    "Record": Record(),
    "PosixPath": Path("a"),
    "Generator": np.random.default_rng(0),
    "function": lambda: None,
}


@pytest.mark.parametrize("kind", UNLOADABLE)
def test_what_could_not_be_loaded_is_not_saved(tmp_path, kind):
    message = (
        r"^values must have a state_dict, be a torch\.Generator, or be made of tensors "
        rf"and plain Python values, got {kind}$"
    )
    with pytest.raises(TypeError, match=message):
        save_checkpoint(tmp_path / "run.pt", values=UNLOADABLE[kind])
    assert list(tmp_path.iterdir()) == []


def test_nor_is_a_state_that_holds_such_a_value(tmp_path):
    weight = torch.zeros(1, requires_grad=True)
    sgd = torch.optim.SGD([weight], lr=np.float64(0.1))
    with pytest.raises(TypeError, match=r"^the state of sgd must be .*, got SGD$"):
        save_checkpoint(tmp_path / "run.pt", sgd=sgd)
    assert list(tmp_path.iterdir()) == []


def test_plain_values_of_every_kind_come_back(tmp_path):
    values = {
        "number": 1.5,
        "missing": None,
        "words": ["a", ("b", b"c")],
        "nested": {"deep": {1: True}},
        "tensor": torch.arange(3),
    }
    save_checkpoint(tmp_path / "run.pt", **values)
    found = load_checkpoint(tmp_path / "run.pt")
    assert torch.equal(found.pop("tensor"), values.pop("tensor"))
    assert found == values


def write_weights(path):
    torch.save({"model": torch.ones(2)}, path)


def write_list(path):
    torch.save([1, 2], path)


@pytest.mark.parametrize(
    "write",
    [
        write_weights,
        write_list,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"some text"),
        lambda path: torch.save(Record(), path),
    ],
    ids=["weights", "list", "empty", "text", "object"],
)
def test_a_file_of_another_origin_is_named(tmp_path, write):
    path = tmp_path / "other.pt"
    write(path)
    with pytest.raises(ValueError, match=r"^path must be a file of save_checkpoint, "):
        load_checkpoint(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_file_that_was_cut_off_is_named(tmp_path, share):
    path = tmp_path / "run.pt"
    save_checkpoint(path, model=torch.nn.Linear(30, 30))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"^path must be a file of save_checkpoint, "):
        load_checkpoint(path)
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "none.pt")


def test_a_checkpoint_of_another_run_is_refused_and_changes_nothing(tmp_path):
    save_checkpoint(tmp_path / "run.pt", step=1)
    training = Training()
    state = torch.get_rng_state()
    with pytest.raises(ValueError, match=r"must hold \['model'\], got \['step'\]"):
        load_checkpoint(tmp_path / "run.pt", model=training.parts["model"])
    assert torch.equal(torch.get_rng_state(), state)
