import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from descent.landscape import axis, gradient_grid
from descent.surfaces import bowl, cliff, ravine, rosenbrock, saddle

numbers = st.floats(-20, 20)


def point(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


@given(u=numbers, v=numbers)
def test_ravine_is_its_formula_and_its_slopes(u, v):
    theta = point(u, v)
    value = ravine(theta)
    value.backward()
    assert value.item() == pytest.approx(u * u / 20 + 5 * v * v)
    assert theta.grad.tolist() == pytest.approx([u / 10, 10 * v])


def test_ravine_has_the_condition_number_it_promises():
    curvatures = torch.autograd.functional.hessian(ravine, torch.tensor([3.0, -2.0]))
    torch.testing.assert_close(curvatures, torch.tensor([[0.1, 0.0], [0.0, 10.0]]))


@given(w=numbers, b=numbers)
def test_cliff_is_its_recurrence(w, b):
    state = 0.5
    for _ in range(50):
        state = 1 / (1 + math.exp(-(w * state + b)))
    value = cliff(point(w, b)).item()
    assert value == pytest.approx((state - 0.7) ** 2, abs=1e-12)
    assert 0 <= value <= 0.49


def test_cliff_is_a_plain_with_a_wall():
    norm = gradient_grid(cliff, axis(0, 12, 241), axis(-7, 0, 141)).norm()
    assert np.isfinite(norm).all()
    assert np.median(norm) < 0.1
    assert norm.max() > 100 * np.median(norm)
    assert norm.max() > 10
    assert (norm > 1).mean() < 0.05  # the wall is thin


@given(u=numbers, v=numbers)
def test_the_toys_are_their_formulas(u, v):
    theta = point(u, v)
    assert bowl(theta).item() == pytest.approx((u * u + v * v) / 2)
    assert saddle(theta).item() == pytest.approx(u * u / 2 + (v * v - 1) ** 2 / 4)
    assert rosenbrock(theta).item() == pytest.approx(
        (1 - u) ** 2 + 100 * (v - u * u) ** 2
    )


def test_the_saddle_is_one():
    curvatures = torch.autograd.functional.hessian(saddle, torch.zeros(2))
    torch.testing.assert_close(curvatures, torch.tensor([[1.0, 0.0], [0.0, -1.0]]))
    assert saddle(point(0.0, 1.0)).item() == saddle(point(0.0, -1.0)).item() == 0
    assert rosenbrock(point(1.0, 1.0)).item() == 0
