import gc
import weakref

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from descent.clipping import ClipNorm
from descent.line import draw_line
from descent.loss import mean_absolute_error
from descent.surfaces import ravine
from descent.training import Record, descend

numbers = st.floats(-1e6, 1e6)


class Remembered(torch.autograd.Function):
    """The identity; tells through a weak reference how long its graph lives."""

    alive: weakref.WeakSet

    class Token:
        pass

    @staticmethod
    def forward(ctx, x):
        ctx.token = Remembered.Token()
        Remembered.alive.add(ctx.token)
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


# Record


def test_what_was_recorded_can_be_plotted_and_converted():
    weight = torch.tensor([1.0, 2.0], requires_grad=True)
    record = Record()
    for step in range(3):
        loss = (weight * step).sum()
        record.append(loss=loss, theta=weight * 1, step=step)
    figure, ax = plt.subplots()
    ax.plot(record["loss"])
    ax.plot(record["theta"])
    ax.scatter(record["step"], record["loss"])
    figure.canvas.draw()
    plt.close(figure)
    assert [float(value) for value in record["loss"]] == [0, 3, 6]
    assert np.log10(record["loss"][1:] + 1).shape == (2,)
    assert record["theta"].shape == (3, 2)
    assert f"{record['loss'][1]:.1f}" == "3.0"


def test_ten_thousand_iterations_keep_no_graph_alive():
    Remembered.alive = weakref.WeakSet()
    weight = torch.ones(3, requires_grad=True)
    record, losses = Record(), []
    most = 0
    for _ in range(10_000):
        loss = Remembered.apply(weight).sum()
        record.append(loss=loss, theta=weight * 2)
        losses.append(weakref.ref(loss))
        most = max(most, len(Remembered.alive))
    del loss
    gc.collect()
    assert len(record) == 10_000
    assert most <= 2  # the loss at hand, and the one it replaces
    assert len(Remembered.alive) == 0
    assert not any(reference() is not None for reference in losses)


@pytest.mark.parametrize(
    "value",
    [
        2,
        2.0,
        True,
        np.float32(2),
        np.int64(2),
        torch.tensor(2),
        torch.tensor(2.0, dtype=torch.bfloat16, requires_grad=True),
        np.array([2, 3]),
        [2.0, 3.0],
        torch.tensor([2.0, 3.0], dtype=torch.float16),
    ],
)
def test_every_kind_of_number_is_taken(value):
    record = Record()
    record.append(x=value)
    assert record["x"].dtype == np.float64
    plain = np.asarray(
        value.detach().double() if isinstance(value, torch.Tensor) else value
    )
    assert record["x"].shape == (1, *plain.shape)
    assert (record["x"][0] == plain).all()


def test_rows_are_copies():
    tensor, array = torch.zeros(2, dtype=torch.float64), np.zeros(2)
    record = Record()
    record.append(t=tensor, a=array)
    tensor += 1
    array += 1
    record["t"][0] = 5
    assert record["t"].tolist() == [[0, 0]]
    assert record["a"].tolist() == [[0, 0]]


GOOD = {"loss": 1.0, "theta": np.array([1.0, 2.0])}
BAD = {
    "a column is missing": {"loss": 1.0},
    "a column is new": GOOD | {"extra": 1.0},
    "another name": {"loss": 1.0, "thetas": np.array([1.0, 2.0])},
    "another shape": GOOD | {"theta": np.array([1.0])},
    "a number for an array": GOOD | {"theta": 1.0},
    "an array for a number": GOOD | {"loss": np.array([1.0])},
    "a word": GOOD | {"loss": "low"},
    "a number as a word": GOOD | {"loss": "1.5"},
    "nothing": GOOD | {"loss": None},
    "a ragged list": GOOD | {"theta": [[1.0], [1.0, 2.0]]},
    "a complex number": GOOD | {"loss": 1j},
    "a complex tensor": GOOD | {"loss": torch.tensor(1j)},
    "the model": GOOD | {"loss": nn.Linear(1, 1)},
}


@pytest.mark.parametrize("why", BAD)
@given(losses=st.lists(numbers, min_size=1, max_size=5))
@settings(max_examples=10)
def test_a_bad_row_leaves_the_record_unchanged(why, losses):
    record = Record()
    for loss in losses:
        record.append(loss=loss, theta=np.array([loss, 2.0]))
    with pytest.raises(ValueError, match="must"):
        record.append(**BAD[why])
    assert len(record) == len(losses)
    assert record.names == ("loss", "theta")
    assert record["loss"].tolist() == losses
    assert record["theta"].tolist() == [[loss, 2.0] for loss in losses]
    record.append(**GOOD)
    assert len(record) == len(record["loss"]) == len(record["theta"])


def test_a_bad_first_row_leaves_the_record_empty():
    record = Record()
    with pytest.raises(ValueError, match="loss must be a number"):
        record.append(step=1, loss="low")
    assert (len(record), record.names) == (0, ())
    record.append(other=1)
    assert record.names == ("other",)


def test_an_unknown_column_is_named_beside_those_there_are():
    record = Record()
    record.append(loss=1)
    with pytest.raises(KeyError, match=r"'norm' was not recorded; there is \['loss'\]"):
        record["norm"]


# descend


def line_model(seed):
    torch.manual_seed(seed)
    model = nn.Linear(1, 1)
    data = draw_line(np.random.RandomState(seed), n=20)
    return model, lambda: mean_absolute_error(model(data.x), data.y)


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()]).double()


OPTIMIZERS = {
    "plain": lambda p, lr: torch.optim.SGD(p, lr=lr),
    "momentum": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9),
    "adam": lambda p, lr: torch.optim.Adam(p, lr=lr),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@given(seed=st.integers(0, 1000), lr=st.floats(1e-4, 0.5), steps=st.integers(0, 12))
@settings(max_examples=20)
def test_descend_is_the_loop_written_by_hand(name, seed, lr, steps):
    model, loss = line_model(seed)
    optimizer = OPTIMIZERS[name](model.parameters(), lr)
    record = descend(model.parameters(), loss, optimizer, steps, keep_theta=True)
    ended = flat(model)

    model, loss = line_model(seed)
    optimizer = OPTIMIZERS[name](model.parameters(), lr)
    assert len(record) == steps + 1
    for t in range(steps + 1):
        # Row t is the state after t steps.
        assert (record["theta"][t] == flat(model).numpy()).all()
        optimizer.zero_grad()
        value = loss()
        value.backward()
        assert record["loss"][t] == value.item()
        squares = sum((p.grad**2).sum().item() for p in model.parameters())
        assert record["grad_norm"][t] == pytest.approx(squares**0.5)
        if t < steps:
            optimizer.step()
    assert torch.equal(ended, flat(model))  # and no step more


def test_gradients_left_by_others_are_not_followed():
    theta = torch.tensor([1.0, 1.0], requires_grad=True)
    theta.grad = torch.tensor([1e3, 1e3])
    record = descend(
        [theta], lambda: ravine(theta), torch.optim.SGD([theta], lr=0.01), 1
    )
    assert record["grad_norm"][0] == pytest.approx(np.hypot(0.1, 10))
    assert theta.tolist() == pytest.approx([0.999, 0.9])


def test_the_loss_is_asked_once_a_row():
    theta = torch.tensor([1.0, 1.0], requires_grad=True)
    calls = []

    def loss():
        calls.append(len(calls))
        return ravine(theta) * (len(calls))  # another minibatch every time

    optimizer = torch.optim.SGD([theta], lr=0.0)
    record = descend(iter([theta]), loss, optimizer, 4)
    assert calls == [0, 1, 2, 3, 4]
    assert (record["loss"] / record["loss"][0]).tolist() == pytest.approx(
        [1, 2, 3, 4, 5]
    )


@pytest.mark.parametrize("clip", [None, ClipNorm(1e30)])
def test_descend_stops_at_the_first_loss_that_is_no_finite_number(clip):
    theta = torch.tensor([1.0], requires_grad=True)
    optimizer = torch.optim.SGD([theta], lr=10.0)
    record = descend(
        [theta], lambda: theta.pow(4).sum(), optimizer, 100, clip=clip, keep_theta=True
    )
    losses = record["loss"]
    assert 2 < len(record) < 20
    assert np.isfinite(losses[:-1]).all()
    assert not np.isfinite(losses[-1])
    assert theta.item() == record["theta"][-1, 0]  # no step followed it


def test_descend_reports_the_norm_before_clipping_and_what_clipping_did():
    theta = torch.tensor([0.0, 1.0], requires_grad=True)
    optimizer = torch.optim.SGD([theta], lr=0.1)
    record = descend(
        [theta],
        lambda: ravine(theta),
        optimizer,
        8,
        clip=ClipNorm(2.0),
        keep_theta=True,
    )
    assert record["grad_norm"][0] == pytest.approx(10)
    lengths = np.linalg.norm(np.diff(record["theta"], axis=0), axis=1)
    np.testing.assert_allclose(
        lengths, 0.1 * np.minimum(record["grad_norm"][:-1], 2.0), rtol=1e-5, atol=1e-7
    )
    assert (record["clipped"][:-1] == (record["grad_norm"][:-1] > 2)).all()
    assert set(record["clipped"][:-1]) == {0, 1}
    assert (record["threshold"][:-1] == 2).all()
    assert np.isnan(record["threshold"][-1])
    assert record["clipped"][-1] == 0


def test_descend_keeps_no_graph():
    Remembered.alive = weakref.WeakSet()
    theta = torch.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([theta], lr=0.01)
    descend(
        [theta], lambda: ravine(Remembered.apply(theta)), optimizer, 50, keep_theta=True
    )
    gc.collect()
    assert len(Remembered.alive) == 0


@pytest.mark.parametrize(("steps", "error"), [(-1, ValueError), (2.5, TypeError)])
def test_bad_numbers_of_steps_are_refused_before_anything_moves(steps, error):
    theta = torch.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([theta], lr=0.1)
    with pytest.raises(error, match=r"^steps must be"):
        descend([theta], lambda: ravine(theta), optimizer, steps)
    assert theta.tolist() == [1, 1]
