"""A resumed run is the uninterrupted one, and a checkpoint is whole or not there."""

import pytest
import torch

from descent.checkpoint import load_checkpoint, save_checkpoint
from descent.clipping import AutoClip
from descent.seeds import set_seed
from descent.separation import MaskNetwork, snr_loss


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

    with pytest.raises(TypeError, match="cannot pickle"):
        save_checkpoint(path, step=2, broken=Broken())
    assert load_checkpoint(path) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_of_another_run_is_refused_and_changes_nothing(tmp_path):
    save_checkpoint(tmp_path / "run.pt", step=1)
    training = Training()
    state = torch.get_rng_state()
    with pytest.raises(ValueError, match=r"must hold \['model'\], got \['step'\]"):
        load_checkpoint(tmp_path / "run.pt", model=training.parts["model"])
    assert torch.equal(torch.get_rng_state(), state)
