import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from descent.recurrent import ReluRNN, ReluRNNs, adding_batch
from descent.seeds import set_seed

seeds = st.integers(0, 2**31)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@given(seed=seeds, batch=st.integers(1, 20), length=st.integers(2, 40))
def test_sums_are_those_of_two_marked_numbers_one_in_each_half(seed, batch, length):
    inputs, sums = adding_batch(batch, length, generator(seed))
    assert inputs.shape == (length, batch, 2)
    assert sums.shape == (batch,)
    numbers, marks = inputs[..., 0], inputs[..., 1]
    assert ((numbers >= 0) & (numbers < 1)).all()
    assert ((marks == 0) | (marks == 1)).all()
    half = length // 2
    assert (marks[:half].sum(dim=0) == 1).all()
    assert (marks[half:].sum(dim=0) == 1).all()
    for column in range(batch):
        marked = numbers[:, column][marks[:, column] == 1]
        assert sums[column].item() == pytest.approx(marked.sum().item())


def test_every_step_gets_marked():
    inputs, _ = adding_batch(2000, 9, generator())
    often = inputs[..., 1].mean(dim=1)
    assert often[:4].tolist() == pytest.approx([1 / 4] * 4, abs=0.05)
    assert often[4:].tolist() == pytest.approx([1 / 5] * 5, abs=0.05)


def test_batches_come_from_the_generator_alone():
    torch.manual_seed(0)
    untouched = torch.rand(1)
    torch.manual_seed(0)
    first = adding_batch(4, 10, generator(3))
    assert torch.equal(torch.rand(1), untouched)
    again = adding_batch(4, 10, generator(3))
    assert all(map(torch.equal, first, again))


@pytest.mark.parametrize(
    ("batch", "length", "name"), [(0, 10, "batch"), (1, 1, "length")]
)
def test_bad_sizes_are_named(batch, length, name):
    with pytest.raises(ValueError, match=f"^{name} must be"):
        adding_batch(batch, length, generator())


def test_hidden_needs_one_unit():
    with pytest.raises(ValueError, match=r"^hidden must be"):
        ReluRNN(0)


@given(seed=seeds, batch=st.integers(1, 4), length=st.integers(2, 12))
def test_forward_is_the_recurrence_written_out(seed, batch, length):
    torch.manual_seed(seed)
    net = ReluRNN(5)
    for parameter in net.parameters():  # biases and all: what training makes of it
        nn.init.normal_(parameter, std=0.3)
    inputs, _ = adding_batch(batch, length, generator(seed))
    state = torch.zeros(batch, 5)
    rnn = net.rnn
    for row in inputs:
        state = torch.relu(
            row @ rnn.weight_ih_l0.T
            + rnn.bias_ih_l0
            + state @ rnn.weight_hh_l0.T
            + rnn.bias_hh_l0
        )
    expected = (state @ net.out.weight.T + net.out.bias).squeeze(-1)
    assert net(inputs).shape == (batch,)
    torch.testing.assert_close(net(inputs), expected)


def test_starts_as_a_perfect_memory():
    torch.manual_seed(0)
    net = ReluRNN(16)
    long = torch.zeros(300, 1, 2)
    long[0, 0] = torch.tensor([0.7, 1.0])  # something at the first step only
    torch.testing.assert_close(net(long), net(long[:1]))


def slopes(eigenvalue, length=100):
    """How much the answer depends on the input of every step."""
    torch.manual_seed(0)
    net = ReluRNN(16).double()
    with torch.no_grad():
        net.rnn.weight_hh_l0.mul_(eigenvalue)
        net.rnn.weight_ih_l0.abs_()  # every unit stays on
    inputs, _ = adding_batch(3, length, generator())
    inputs = inputs.double().requires_grad_()
    net(inputs).sum().backward()
    return inputs.grad.norm(dim=(1, 2))


@pytest.mark.parametrize("eigenvalue", [1.0, 1.05, 0.95])
def test_gradient_at_the_first_step_is_a_power_of_the_eigenvalue(eigenvalue):
    found = slopes(eigenvalue)
    assert found[-1] > 0
    assert (found[0] / found[-1]).item() == pytest.approx(eigenvalue**99)


def test_gradients_reach_every_parameter_and_the_first_step():
    torch.manual_seed(0)
    net = ReluRNN()
    inputs, sums = adding_batch(16, 150, generator())
    inputs.requires_grad_()
    (net(inputs) - sums).square().mean().backward()
    assert inputs.grad[0].abs().max() > 0
    assert all(p.grad.abs().max() > 0 for p in net.parameters())


def test_networks_side_by_side_are_the_single_ones():
    chosen = (3, 0, 8)
    together = ReluRNNs(chosen, hidden=5)
    batches = [adding_batch(4, 12, generator(seed)) for seed in chosen]
    inputs = torch.stack([inputs for inputs, _ in batches], dim=1)
    sums = torch.stack([sums for _, sums in batches])
    losses = (together(inputs) - sums).square().mean(dim=1)
    losses.sum().backward()
    for place, seed in enumerate(chosen):
        set_seed(seed)
        single = ReluRNN(5)
        loss = (single(batches[place][0]) - batches[place][1]).square().mean()
        loss.backward()
        assert losses[place].item() == pytest.approx(loss.item(), rel=1e-5)
        for many, one in zip(together.parameters(), single.parameters(), strict=True):
            assert torch.equal(many[place], one)
            torch.testing.assert_close(many.grad[place], one.grad)


def test_no_network_without_a_seed():
    with pytest.raises(ValueError, match="seeds"):
        ReluRNNs(())
