from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from descent.line import draw_line
from descent.loss import huber_error, mean_absolute_error, mean_squared_error
from descent.seeds import set_seed

OURS_AND_TORCHS = [
    (mean_absolute_error, functional.l1_loss),
    (mean_squared_error, functional.mse_loss),
    (huber_error, functional.huber_loss),
    (partial(huber_error, delta=0.3), partial(functional.huber_loss, delta=0.3)),
]
ALL = [ours for ours, _ in OURS_AND_TORCHS]
NAMES = ["absolute", "squared", "huber", "huber 0.3"]

shapes = st.lists(st.integers(1, 4), max_size=3).map(tuple)
seeds = st.integers(0, 2**31)


def pair(shape, seed, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    draw = partial(torch.randn, shape, generator=generator, dtype=torch.float64)
    return scale * draw(), draw()


def test_the_untrained_lines_loss():
    rng = set_seed(0)
    model = nn.Linear(1, 1)
    data = draw_line(rng)
    loss = mean_absolute_error(model(data.x), data.y)
    assert f"{loss.item():.4f}" == "8.9430"


@pytest.mark.parametrize(("ours", "torchs"), OURS_AND_TORCHS, ids=NAMES)
@given(shape=shapes, seed=seeds, scale=st.sampled_from([0.0, 0.1, 3.0, 1e3]))
def test_value_and_gradient_are_those_of_torch(ours, torchs, shape, seed, scale):
    prediction, target = pair(shape, seed, scale)
    results = []
    for loss in (ours, torchs):
        leaf = prediction.clone().requires_grad_()
        value = loss(leaf, target)
        assert value.shape == ()
        results.append((value, torch.autograd.grad(value, leaf)[0]))
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("loss", ALL, ids=NAMES)
@given(seed=seeds)
def test_gradient_is_that_of_finite_differences(loss, seed):
    prediction, target = pair((5,), seed)
    # The absolute value has no slope where the residual is 0.
    near = (prediction - target).abs() < 1e-4
    prediction = torch.where(near, prediction + 1e-3, prediction)
    leaf = prediction.clone().requires_grad_()
    loss(leaf, target).backward()
    h = 1e-6
    for i in range(5):
        step = torch.zeros(5, dtype=torch.float64)
        step[i] = h
        up, down = loss(prediction + step, target), loss(prediction - step, target)
        assert leaf.grad[i].item() == pytest.approx(
            ((up - down) / (2 * h)).item(), rel=1e-4, abs=1e-6
        )


@pytest.mark.parametrize("loss", ALL, ids=NAMES)
@given(seed=seeds, copies=st.integers(2, 5))
def test_loss_does_not_grow_with_the_number_of_points(loss, seed, copies):
    prediction, target = pair((7, 1), seed)
    again = loss(prediction.repeat(copies, 1), target.repeat(copies, 1))
    torch.testing.assert_close(again, loss(prediction, target))


@pytest.mark.parametrize("loss", ALL, ids=NAMES)
@pytest.mark.parametrize("shapes", [((5, 1), (5,)), ((5,), (1,)), ((2, 3), (3, 2))])
def test_shapes_that_differ_are_refused_even_if_they_broadcast(loss, shapes):
    prediction, target = map(torch.zeros, shapes)
    with pytest.raises(ValueError, match="same shape, got") as error:
        loss(prediction, target)
    assert str(shapes[0]) in str(error.value)
    assert str(shapes[1]) in str(error.value)


@pytest.mark.parametrize("delta", [0, -1, float("nan")])
def test_huber_needs_a_positive_delta(delta):
    with pytest.raises(ValueError, match="delta must be a finite number above 0"):
        huber_error(torch.zeros(1), torch.zeros(1), delta)


@given(seed=seeds)
def test_huber_lies_between_its_two_branches(seed):
    prediction, target = pair((20,), seed)
    near = huber_error(prediction, target, delta=1e6)
    torch.testing.assert_close(near, mean_squared_error(prediction, target) / 2)
    far = huber_error(prediction, target, delta=1e-9) / 1e-9
    torch.testing.assert_close(far, mean_absolute_error(prediction, target))
