"""Watching a run: what is measured is right, and measuring changes nothing."""

import numpy as np
import pytest
import torch
from torch import nn

from descent.clipping import AutoClip
from descent.dynamics import train_and_measure
from descent.seeds import set_seed


class Bowl(nn.Module):
    """Two parameters; the loss of a minibatch c is ``c (a**2 + 4 b**2) / 2``."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([3.0, 0.0]))

    def loss(self, scale: float) -> torch.Tensor:
        return scale * (self.theta**2 * torch.tensor([1.0, 4.0])).sum() / 2


def test_on_a_bowl_smoothness_is_its_curvature():
    bowl = Bowl()
    scales = iter([1.0, 2.0, 5.0])
    sgd = torch.optim.SGD(bowl.parameters(), lr=0.1)
    record = train_and_measure(bowl, bowl.loss, lambda: next(scales), 10.0, sgd, 3)
    # Along the first axis, where the parameters stay: theta goes 3, 2.7, 2.16, 1.08.
    np.testing.assert_allclose(record["grad_norm"], [3, 5.4, 10.8], rtol=1e-5)
    np.testing.assert_allclose(record["step_size"], [0.3, 0.54, 1.08], rtol=1e-5)
    np.testing.assert_allclose(record["loss"], [4.5, 7.29, 11.664], rtol=1e-5)
    np.testing.assert_allclose(record["smoothness"], [1, 2, 5], rtol=1e-4)
    np.testing.assert_allclose(record["smoothness_fixed"], [10, 10, 10], rtol=1e-4)


def test_a_step_of_no_length_has_no_smoothness():
    bowl = Bowl()
    sgd = torch.optim.SGD(bowl.parameters(), lr=0.0)
    record = train_and_measure(bowl, bowl.loss, lambda: 1.0, 1.0, sgd, 2)
    assert np.isnan(record["smoothness"]).all()
    assert np.isnan(record["smoothness_fixed"]).all()


def test_a_number_of_steps_is_any_whole_number():
    bowl = Bowl()
    sgd = torch.optim.SGD(bowl.parameters(), lr=0.1)

    def run(steps):
        return train_and_measure(bowl, bowl.loss, lambda: 1.0, 1.0, sgd, steps)

    assert len(run(np.int64(3))) == 3
    with pytest.raises(ValueError, match="steps must be a whole number of at least 1"):
        run(0)
    for bad in (2.5, None):
        with pytest.raises(TypeError, match="steps must be a whole number"):
            run(bad)


@pytest.mark.parametrize("p", [None, 10])
def test_measuring_changes_nothing(p):
    def start():
        set_seed(0)
        model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
        adam = torch.optim.Adam(model.parameters(), lr=0.01)
        draw = torch.Generator().manual_seed(0)
        return model, adam, lambda: torch.randn(16, 3, generator=draw)

    model, adam, draw = start()
    clip = AutoClip(p) if p else None

    def loss(batch):
        return model(batch).pow(2).mean()

    fixed = torch.ones(16, 3)
    record = train_and_measure(
        model, loss, draw, fixed, adam, iter(range(8)), clip=clip
    )
    assert len(record) == 8
    watched = model.state_dict()

    model, adam, draw = start()
    clip = AutoClip(p) if p else None
    for _ in range(8):
        adam.zero_grad()
        loss(draw()).backward()
        if clip:
            clip(model.parameters())
        adam.step()
    for name, value in model.state_dict().items():
        assert torch.equal(watched[name], value), name
