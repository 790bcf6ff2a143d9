import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from descent.line import draw_line, predict
from descent.seeds import set_seed


def test_the_chapters_numbers():
    rng = set_seed(0)
    model = nn.Linear(1, 1)
    torch.randn(100, 1)  # the chapter's random inputs move only PyTorch's generator
    data = draw_line(rng)
    assert f"{model.weight.item():.4f}" == "-0.0075"
    assert f"{model.bias.item():.4f}" == "0.5364"
    assert f"{data.m:.4f}" == "1.7641"
    assert f"{data.b:.4f}" == "0.4002"
    assert f"{data.noise.abs().mean().item():.4f}" == "0.0820"


def test_numbers_are_drawn_slope_first_then_intercept_then_noise():
    rng = np.random.RandomState(7)
    m, b, noise = rng.randn(), rng.randn(), rng.normal(0, 0.5, 4)
    data = draw_line(np.random.RandomState(7), n=4, sigma=0.5)
    assert (data.m, data.b) == (m, b)
    torch.testing.assert_close(data.noise.flatten(), torch.tensor(noise).float())
    assert data.x.flatten().tolist() == pytest.approx([-10, -10 / 3, 10 / 3, 10])


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 300),
    sigma=st.floats(0, 10),
)
def test_data_is_the_line_plus_the_noise(seed, n, sigma):
    data = draw_line(np.random.RandomState(seed), n, sigma)
    for column in (data.x, data.y, data.noise):
        assert column.shape == (n, 1)
        assert column.dtype == torch.float32
        assert not column.requires_grad
    line = data.m * data.x.double() + data.b
    torch.testing.assert_close(data.y.double(), line + data.noise, rtol=1e-5, atol=1e-4)
    if sigma == 0:
        assert not data.noise.any()


def test_noise_has_the_spread_asked_for():
    data = draw_line(np.random.RandomState(0), n=100_000, sigma=0.3)
    assert data.noise.std().item() == pytest.approx(0.3, rel=0.01)
    assert data.noise.mean().item() == pytest.approx(0, abs=0.003)


@pytest.mark.parametrize(("n", "sigma", "name"), [(0, 0.1, "n"), (5, -0.1, "sigma")])
def test_bad_arguments_are_named_and_nothing_is_drawn(n, sigma, name):
    rng = np.random.RandomState(0)
    with pytest.raises(ValueError, match=f"^{name} must be"):
        draw_line(rng, n, sigma)
    assert rng.randn() == np.random.RandomState(0).randn()


@pytest.mark.parametrize("rng", [np.random.default_rng(0), np.random, 0, None])
def test_another_kind_of_generator_is_named(rng):
    with pytest.raises(TypeError, match=r"^rng must be a numpy\.random\.RandomState"):
        draw_line(rng)


def test_predict_is_the_linear_unit():
    unit = nn.Linear(1, 1)
    theta = torch.cat([unit.weight.flatten(), unit.bias])
    x = torch.linspace(-10, 10, 50).reshape(50, 1)
    torch.testing.assert_close(predict(theta, x), unit(x))
    assert predict(theta, x[:, 0]).shape == (50,)


def test_predict_passes_gradients_to_both_parameters():
    theta = torch.tensor([2.0, 3.0], requires_grad=True)
    predict(theta, torch.tensor([1.0, 10.0])).sum().backward()
    assert theta.grad.tolist() == [11.0, 2.0]
