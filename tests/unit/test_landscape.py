import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from descent.landscape import Landscape, axis, gradient_grid, loss_grid
from descent.line import draw_line, predict
from descent.loss import huber_error, mean_absolute_error, mean_squared_error
from descent.seeds import set_seed
from descent.surfaces import cliff, ravine


def line_loss(error, seed=0):
    set_seed(seed)
    data = draw_line(np.random.RandomState(seed), n=20)
    return lambda theta: error(predict(theta, data.x), data.y)


LOSSES = {
    "absolute": line_loss(mean_absolute_error),
    "squared": line_loss(mean_squared_error),
    "huber": line_loss(huber_error),
    "ravine": ravine,
    "cliff": cliff,
    "asymmetric": lambda theta: theta[0] + 100 * theta[1].sin(),
}


@st.composite
def axes(draw):
    low = draw(st.floats(-4, 4))
    return axis(low, low + draw(st.floats(0.1, 5)), draw(st.integers(2, 6)))


def plain(loss, first, second):
    """Loss and gradient by a double loop, one point at a time."""
    values = np.empty((len(second), len(first)))
    slopes = np.empty((len(second), len(first), 2))
    for i, v in enumerate(second):
        for j, u in enumerate(first):
            theta = torch.tensor([u, v], dtype=torch.float32, requires_grad=True)
            value = loss(theta)
            value.backward()
            values[i, j] = value.item()
            slopes[i, j] = theta.grad.numpy()
    return values, slopes


@pytest.mark.parametrize("name", LOSSES)
@given(first=axes(), second=axes())
@settings(max_examples=25)
def test_grids_are_those_of_the_plain_double_loop(name, first, second):
    loss = LOSSES[name]
    values, slopes = plain(loss, first, second)
    grid, field = loss_grid(loss, first, second), gradient_grid(loss, first, second)
    np.testing.assert_allclose(grid.loss, values, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(field.d_first, slopes[..., 0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(field.d_second, slopes[..., 1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(field.norm(), np.linalg.norm(slopes, axis=-1), rtol=1e-4)


def test_the_chapters_numbers():
    rng = set_seed(0)
    torch.nn.Linear(1, 1)
    data = draw_line(rng)

    def loss(theta):
        return mean_absolute_error(predict(theta, data.x), data.y)

    values = axis(-2, 2, 100)
    m, b, least = loss_grid(loss, values, values).minimum()
    assert f"{least:.6f}" == "0.086866"
    assert f"{m:.2f}" == "1.76"
    assert f"{b:.2f}" == "0.38"
    field = gradient_grid(loss, np.array([m]), np.array([b]))
    assert f"{field.d_first[0, 0]:.4f}" == "-0.8747"
    assert f"{field.d_second[0, 0]:.4f}" == "-0.1000"


def test_rows_are_the_second_parameter():
    first, second = np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0])
    grid = loss_grid(lambda theta: theta[0] + theta[1], first, second)
    assert grid.loss.tolist() == [[11, 12, 13], [21, 22, 23]]
    field = gradient_grid(lambda theta: theta[0] ** 2 * theta[1], first, second)
    assert field.d_first.tolist() == [[20, 40, 60], [40, 80, 120]]
    assert field.d_second.tolist() == [[1, 4, 9], [1, 4, 9]]


@given(u=st.integers(0, 6), v=st.integers(0, 3))
def test_minimum_says_first_second_loss(u, v):
    first, second = axis(-3, 3, 7), axis(10, 40, 4)
    at = torch.tensor([first[u], second[v]]).float()
    grid = loss_grid(lambda theta: (theta - at).abs().sum() + 1, first, second)
    assert grid.minimum() == (first[u], second[v], 1)


def test_minimum_passes_over_points_without_a_number():
    loss = np.array([[np.nan, 5.0], [3.0, np.inf]])
    assert Landscape(np.arange(2), np.arange(2), loss).minimum() == (0, 1, 3)
    with pytest.raises(ValueError, match="loss has no number"):
        Landscape(np.arange(2), np.arange(2), loss * np.nan).minimum()


def test_a_grid_larger_than_one_chunk_has_no_seam():
    values = axis(-1, 1, 150)  # 22,500 points
    grid = loss_grid(ravine, values, values)
    expected = values**2 / 20 + 5 * values[:, None] ** 2
    np.testing.assert_allclose(grid.loss, expected, rtol=1e-5, atol=1e-7)


def test_a_loss_with_a_graph_of_its_own_can_be_drawn():
    weight = torch.ones(2, requires_grad=True)
    grid = loss_grid(
        lambda theta: (weight * theta).sum(), np.arange(2.0), np.arange(3.0)
    )
    assert grid.loss.tolist() == [[0, 1], [1, 2], [2, 3]]
    field = gradient_grid(
        lambda theta: (weight * theta).sum(), np.arange(2.0), np.arange(3.0)
    )
    assert np.allclose(field.norm(), np.hypot(1, 1))


@pytest.mark.parametrize("grid", [loss_grid, gradient_grid])
@pytest.mark.parametrize("bad", [np.array([]), np.ones((2, 2)), np.array(1.0)])
def test_what_is_no_axis_is_named(grid, bad):
    good = np.arange(3.0)
    with pytest.raises(ValueError, match=r"^first must be a one-dimensional array"):
        grid(ravine, bad, good)
    with pytest.raises(ValueError, match=r"^second must be a one-dimensional array"):
        grid(ravine, good, bad)


@given(low=st.floats(-1e6, 1e6), width=st.floats(1e-3, 1e6), count=st.integers(2, 200))
def test_axis_holds_both_ends_and_equal_steps(low, width, count):
    high = low + width
    values = axis(low, high, count)
    assert (values[0], values[-1], len(values)) == (low, high, count)
    steps = np.diff(values)
    np.testing.assert_allclose(steps, (high - low) / (count - 1), rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((1, 1, 5), "high"),
        ((2, 1, 5), "high"),
        ((0, 1, 1), "count"),
        ((np.nan, 1, 5), "low"),
    ],
)
def test_bad_axes_are_refused(arguments, name):
    with pytest.raises(ValueError, match=f"^{name} must be"):
        axis(*arguments)
