"""What is passed to a clipper: right, or refused by name before anything changes."""

import copy
import math
import multiprocessing
import pickle
import sys
import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import forward_ad

from descent.clipping import AutoClip, ClipNorm, global_norm


def parameter(*gradient: float, dtype: torch.dtype = torch.float64) -> nn.Parameter:
    weight = nn.Parameter(torch.zeros(len(gradient), dtype=dtype))
    weight.grad = torch.tensor(gradient, dtype=dtype)
    return weight


def network() -> nn.Module:
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False))
    for weight, size in zip(model.parameters(), (3.0, 4.0), strict=True):
        weight.grad = torch.zeros_like(weight)
        weight.grad[0, 0] = size
    return model


WAYS = {
    "a module": lambda model: model,
    "a generator": lambda model: model.parameters(),
    "named parameters": lambda model: model.named_parameters(),
    "a dict of them": lambda model: dict(model.named_parameters()),
    "an optimizer": lambda model: torch.optim.SGD(model.parameters(), lr=1),
    "its groups": lambda model: [{"params": [w]} for w in model.parameters()],
    "a group": lambda model: {"params": list(model.parameters()), "lr": 1},
    "a list with tied weights": lambda model: [*model.parameters(), model[0].weight],
    "groups that share": lambda model: [{"params": list(model.parameters())}] * 2,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_whatever_has_parameters_may_be_passed(way):
    model = network()
    assert global_norm(way(model)) == 5
    assert ClipNorm(1.0)(way(model)).grad_norm == 5
    assert global_norm(model) == pytest.approx(1, rel=1e-6)
    clip = AutoClip()
    clip(way(model))
    assert clip.history.size == 1


def test_a_parameter_may_be_called_params():
    model = nn.Module()
    model.params, model.bias = parameter(3.0), parameter(4.0)
    named = dict(model.named_parameters())
    assert global_norm(named) == 5
    with pytest.raises(TypeError, match="an item"):
        global_norm([named])
    group = {"params": model.params, "lr": torch.tensor(0.1), "weight_decay": 0}
    assert global_norm(group) == global_norm([group]) == 3


def used_up():
    weights = iter([parameter(1.0)])
    list(weights)
    return weights


def computed():
    weight = nn.Parameter(torch.ones(2))
    return [weight * 2]


def expanded(shape, stride):
    weight = nn.Parameter(torch.zeros(shape))
    weight.grad = torch.arange(24.0).as_strided(shape, stride)
    return [parameter(3.0), weight]


def overlapping():
    memory = torch.ones(6)
    weights = [nn.Parameter(torch.zeros(4)) for _ in range(2)]
    weights[0].grad, weights[1].grad = memory[:4], memory[2:]
    return weights


def one_gradient_for_two():
    weights = [nn.Parameter(torch.zeros(4)) for _ in range(2)]
    weights[0].grad = weights[1].grad = torch.ones(4)
    return weights


def one_sparse_gradient_for_two():
    weights = [nn.Parameter(torch.zeros(3, 1)) for _ in range(2)]
    rows = torch.sparse_coo_tensor([[0]], [[3.0]], (3, 1)).coalesce()
    weights[0].grad = weights[1].grad = rows
    return weights


def on_meta():
    weight = nn.Parameter(torch.zeros(2, device="meta"))
    weight.grad = torch.zeros(2, device="meta")
    return [parameter(3.0), weight]


def integers():
    weight = torch.zeros(2, dtype=torch.int64)
    weight.grad = torch.ones(2, dtype=torch.int64)
    return [parameter(3.0), weight]


def compressed():
    weight = nn.Parameter(torch.eye(2).to_sparse_csr())
    weight.grad = torch.eye(2).to_sparse_csr()
    return [parameter(3.0), weight]


def made_in_inference_mode():
    weight = nn.Parameter(torch.zeros(2))
    with torch.inference_mode():
        weight.grad = torch.ones(2)
    return [parameter(3.0), weight]


REFUSED = {
    "an empty list": (list, ValueError, "got nothing"),
    "an iterator that is used up": (used_up, ValueError, "used up after one pass"),
    "a module without parameters": (nn.ReLU, ValueError, "got nothing"),
    "None": (lambda: None, TypeError, "got None"),
    "a number": (lambda: 3, TypeError, "got 3"),
    "a string": (lambda: "weights", TypeError, "got 'weights'"),
    "a list of numbers": (lambda: [parameter(3.0), 1.0], TypeError, "an item 1.0"),
    "a list of nothing": (lambda: [None], TypeError, "an item None"),
    "a list of lists": (lambda: [[parameter(3.0)]], TypeError, "an item"),
    "a dict of numbers": (lambda: {"w": 1.0}, TypeError, "an item 1.0"),
    "the gradients": (lambda: [parameter(3.0).grad], ValueError, "state_dict"),
    "a state": (lambda: nn.Linear(1, 1).state_dict(), ValueError, "state_dict"),
    "no leaf": (computed, ValueError, "leaf tensors"),
    "meta": (on_meta, ValueError, "'meta'"),
    "whole numbers": (integers, ValueError, "torch.int64"),
    "compressed rows": (compressed, ValueError, "sparse_csr"),
    "expanded": (lambda: expanded((4,), (0,)), ValueError, "expanded"),
    "expanded rows": (lambda: expanded((3, 2), (0, 1)), ValueError, "expanded"),
    "overlapping rows": (lambda: expanded((3, 2), (1, 1)), ValueError, "expanded"),
    "views that overlap": (overlapping, ValueError, "overlap"),
    "one gradient for two": (one_gradient_for_two, ValueError, "overlap"),
    "one sparse one for two": (one_sparse_gradient_for_two, ValueError, "overlap"),
    "inference": (made_in_inference_mode, ValueError, "inference mode"),
}


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize(("make", "error", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_right_is_refused_before_anything_changes(make, error, says):
    clip = AutoClip(0, ceiling=1e-3)
    clip([parameter(2.0)])
    with pytest.raises(error, match=says):
        clip(make())
    with pytest.raises(error, match=says):
        global_norm(make())
    passed = make()
    if isinstance(passed, list) and passed and isinstance(passed[0], nn.Parameter):
        before = [w.grad.clone() for w in passed if isinstance(w, torch.Tensor)]
        with pytest.raises(error):
            clip(passed)
        if not before[-1].is_meta and before[-1].layout is torch.strided:
            assert all(
                torch.equal(w.grad, old) for w, old in zip(passed, before, strict=False)
            )
    assert clip.history.tolist() == [2]
    assert clip.skipped_steps == clip.zero_steps == 0


@pytest.mark.parametrize("stride", [(4, 2), (2, 6), (1, 3)])
def test_views_that_do_not_overlap_are_one_vector(stride):
    memory, offset = torch.arange(12.0), 6 if stride == (1, 3) else 1
    weights = [nn.Parameter(torch.zeros(3, 2)) for _ in range(2)]
    weights[0].grad = memory.as_strided((3, 2), stride)
    weights[1].grad = memory.as_strided((3, 2), stride, offset)
    expected = math.hypot(*(w.grad.norm().item() for w in weights))
    assert ClipNorm(1.0)(weights).grad_norm == pytest.approx(expected)
    assert global_norm(weights) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_a_gradient_with_a_history_is_clipped_outside_of_it(dtype):
    # As after backward(create_graph=True); later steps could go a shorter way.
    weight = nn.Parameter(torch.tensor([1.5, 2.0], dtype=dtype))
    clip = ClipNorm(1.0)
    for _ in range(3):
        (weight.grad,) = torch.autograd.grad(
            weight.square().sum(), weight, create_graph=True
        )
        history = weight.grad.grad_fn
        assert history is not None
        assert clip([weight]).grad_norm == 5
        assert weight.grad.grad_fn is history
        torch.testing.assert_close(
            weight.grad.detach(), torch.tensor([0.6, 0.8], dtype=dtype)
        )
        weight.grad = None


def test_a_conjugate_that_nobody_has_looked_at_is_clipped():
    # Where a loss takes a parameter's conjugate. PyTorch's own clipping stops there.
    weight = nn.Parameter(torch.tensor([1j]))
    clip = ClipNorm(1.0)
    for _ in range(3):
        weight.grad = None
        (weight.conj() * (3 + 4j)).real.sum().backward()
        assert weight.grad.is_conj()
        assert clip([weight]).grad_norm == 5
        torch.testing.assert_close(weight.grad, torch.tensor([0.6 + 0.8j]))


@pytest.mark.filterwarnings("ignore:.torch.jit.script")  # PyTorch's own
@pytest.mark.parametrize("options", [{}, {"capturable": True}], ids=str)
@pytest.mark.parametrize("has_history", [False, True])
def test_a_gradient_with_a_tangent_is_refused(has_history, options):
    weight = nn.Parameter(torch.ones(2))
    clip = AutoClip(50, **options)
    for _ in range(3):
        weight.grad = torch.ones(2)
        clip([weight])
    with forward_ad.dual_level():
        x = forward_ad.make_dual(torch.ones(2), torch.ones(2))
        (weight.grad,) = torch.autograd.grad(
            (weight * x).square().sum(), weight, create_graph=has_history
        )
        with pytest.raises(ValueError, match="tangents"):
            clip([weight])
        assert forward_ad.unpack_dual(weight.grad).primal.tolist() == [2, 2]
    assert len(clip.history) == 3


def test_if_the_gradients_cannot_be_scaled_the_history_is_as_before(monkeypatch):
    clip = AutoClip(50, window=3)
    for norm in (1.0, 5.0, 2.0, 4.0):
        clip([parameter(norm)])
    before = clip.history, clip.thresholds

    def fail(*_):
        raise RuntimeError("device lost")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "_foreach_mul_", fail)
        with pytest.raises(RuntimeError, match="device lost"):
            clip([parameter(9.0)])
    assert np.array_equal(clip.history, before[0])
    assert np.array_equal(clip.thresholds, before[1])
    assert clip([parameter(3.0)]).threshold == np.median([2, 4, 3])


@pytest.mark.parametrize(
    ("dtype", "size", "threshold"),
    [
        (torch.float32, 1e31, 1e-15),
        (torch.float32, 3e38, 1e-30),
        (torch.float64, 1e200, 1e-200),
        (torch.float64, 1e308, 1e-300),
        (torch.bfloat16, 1e38, 1e-10),
    ],
)
def test_a_factor_that_underflows_is_not_zero(dtype, size, threshold):
    weights = [parameter(size, dtype=dtype), parameter(size, size, dtype=dtype)]
    ClipNorm(threshold)(weights)
    relative = 1e-2 if dtype == torch.bfloat16 else 1e-5
    for weight in weights:
        expected = torch.full_like(weight.grad, threshold / math.sqrt(3))
        torch.testing.assert_close(weight.grad, expected, rtol=relative, atol=0)


# --- Norms of zero ----------------------------------------------------------


@pytest.mark.parametrize("zero", [0.0, 5e-324, 1e-310])
@pytest.mark.parametrize("options", [{}, {"window": 4}, {"warmup": 2}])
def test_steps_without_a_gradient_never_silence_a_later_one(zero, options):
    clip, plain = AutoClip(10, **options), AutoClip(10, **options)
    norms = [zero] * 7 + [1.0] + [zero] * 5 + [2.0, 1.0, zero, 3.0]
    for norm in norms:
        weight = parameter(norm)
        report = clip([weight])
        if norm == zero:
            assert report == (norm, math.inf, False, False)
        else:
            assert report == plain([parameter(norm)])
            assert weight.grad.item() >= 1
    assert clip.zero_steps == norms.count(zero)
    assert clip.history.tolist() == [1, 2, 1, 3]
    assert clip.clipped_share == plain.clipped_share
    again = AutoClip()
    again.load_state_dict(clip.state_dict())
    assert again.zero_steps == clip.zero_steps
    assert np.array_equal(again.thresholds, clip.thresholds)


def test_single_precision_vanishes_earlier():
    clip = AutoClip(10)
    for _ in range(5):
        clip([parameter(1e-42, dtype=torch.float32)])
    healthy = parameter(1.0, dtype=torch.float32)
    clip([healthy])
    assert healthy.grad.item() == 1
    clip([parameter(1e-30, dtype=torch.float32)])
    assert clip.history.size == 2


# --- Percentile or quantile -------------------------------------------------


@pytest.mark.parametrize(("quantile", "percentile"), [(0.1, 10), (0.5, 50), (0.99, 99)])
def test_what_looks_like_a_quantile_is_named(quantile, percentile):
    says = f"percentile={quantile} .*write {percentile}$"
    with pytest.warns(UserWarning, match=says):
        clip = AutoClip(quantile)
    other = AutoClip()
    other.load_state_dict(clip.state_dict())  # it has been said
    assert other.percentile == quantile


def test_the_ends_are_no_quantiles():
    AutoClip(0)
    AutoClip(1)


# --- Threads, copies, processes ---------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [("percentile", 90), ("window", 5), ("warmup", 3), ("ceiling", 1.0)],
)
def test_a_setting_is_changed_in_the_state_only(name, value):
    clip = AutoClip(10, window=3)
    for norm in (1.0, 2.0, 3.0, 4.0):
        clip([parameter(norm)])
    with pytest.raises(AttributeError, match="load_state_dict"):
        setattr(clip, name, value)
    clip.load_state_dict(clip.state_dict() | {name: value})
    assert getattr(clip, name) == value
    options = {"percentile": 10, "window": 3} | {name: value}
    other = AutoClip(**options)
    for norm in (1.0, 2.0, 3.0, 4.0):
        other([parameter(norm)])
    assert clip([parameter(9.0)]) == other([parameter(9.0)])


@pytest.mark.parametrize("window", [None, 20])
def test_threads_may_share_a_clipper(window):
    clip, errors = AutoClip(50, window=window), []
    calls, threads = 1500, 4

    def work(seed: int) -> None:
        weight = parameter(1.0)
        try:
            for norm in np.random.default_rng(seed).lognormal(size=calls):
                weight.grad = torch.full((1,), norm, dtype=torch.float64)
                clip([weight])
                if seed == 0 and norm > 3:
                    clip.state_dict()
        except Exception as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        workers = [threading.Thread(target=work, args=[i]) for i in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(interval)
    assert errors == []
    history = clip.history
    assert len(history) == calls * threads
    for step in (0, 1, 500, len(history) - 1):
        recent = history[max(0, step + 1 - (window or step + 1)) : step + 1]
        assert clip.thresholds[step] == np.percentile(recent, 50)


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda clip: pickle.loads(pickle.dumps(clip)),
}


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("options", [{}, {"window": 3}, {"warmup": 3}])
def test_a_copy_goes_on_alone(duplicate, options):
    clip = AutoClip(50, **options)
    for norm in (3.0, 1.0, 0.0, 2.0, math.nan):
        clip([parameter(norm)])
    other = duplicate(clip)
    assert other([parameter(7.0)]).threshold == clip([parameter(7.0)]).threshold
    other([parameter(8.0)])
    assert clip.history.tolist() == [3, 1, 2, 7]
    assert other.history.tolist() == [3, 1, 2, 7, 8]
    assert other.skipped_steps == other.zero_steps == 1
    assert duplicate(ClipNorm(2.0)).threshold == 2


def in_another_process(clip: AutoClip, results) -> None:
    results.put((clip([parameter(9.0)]).threshold, clip.history.tolist()))


@pytest.mark.slow
def test_a_clipper_is_sent_to_a_spawned_process():
    clip = AutoClip(50)
    for norm in (1.0, 3.0):
        clip([parameter(norm)])
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    process = context.Process(target=in_another_process, args=(clip, results))
    process.start()
    assert results.get() == (3, [1, 3, 9])
    process.join()
    assert clip.history.tolist() == [1, 3]


# --- Settings that are assigned to -------------------------------------------


def test_what_is_assigned_later_is_checked_too():
    clip, fixed = AutoClip(), ClipNorm(1.0)
    for one in (clip, fixed):
        with pytest.raises(ValueError, match="'raise', 'ignore', got 'raises'"):
            one.nonfinite = "raises"
        one.nonfinite = "ignore"
        assert one([parameter(math.nan)]).skipped is False
    with pytest.raises(ValueError, match=r"threshold must be .*above 0, got -1"):
        fixed.threshold = -1.0
    fixed.threshold = 2.0
    assert fixed([parameter(3.0)]).threshold == 2
    with pytest.raises(ValueError, match="must not be 'raise' with capturable"):
        AutoClip(capturable=True).nonfinite = "raise"
    with pytest.raises(AttributeError, match="capturable must not be assigned to"):
        AutoClip(nonfinite="raise").capturable = True


# --- Versions of the state --------------------------------------------------


def test_a_state_without_a_version_is_read():
    old = {
        "percentile": 50.0,
        "window": None,
        "warmup": 0,
        "ceiling": None,
        "nonfinite": "skip",
        "skipped_steps": 2,
        "norms": torch.tensor([0.0, 4.0, 0.0, 2.0], dtype=torch.float64),
    }
    clip = AutoClip(warmup=9)
    clip.load_state_dict(old)
    assert clip.history.tolist() == [4, 2]
    assert (clip.zero_steps, clip.skipped_steps, clip.warmup) == (2, 2, 0)
    assert clip([parameter(9.0)]).threshold == 4
    with pytest.raises(ValueError, match="must have the keys"):
        clip.load_state_dict({**old, "zero_steps": 3})


@pytest.mark.parametrize("version", [2, -1, True, None, "1", 1.0])
def test_an_unknown_version_is_refused_whole(version):
    clip = AutoClip(25)
    clip([parameter(3.0)])
    state = {**AutoClip(50).state_dict(), "version": version}
    with pytest.raises(ValueError, match="version"):
        clip.load_state_dict(state)
    assert clip.percentile == 25
    assert clip.history.tolist() == [3]


def test_other_parameters_are_looked_at_again():
    clip = ClipNorm(1e-3)
    for _ in range(4):
        clip([parameter(1.0)])
    with pytest.raises(ValueError, match="overlap"):
        clip(overlapping())


def unlike(case: str, weights: list[nn.Parameter]) -> list[nn.Parameter]:
    """Change something after many steps that were alike; norms are those of 3 and 4."""
    first, second = weights
    if case == "one without a gradient":
        first.grad = None
    elif case == "one with a sparse gradient":
        # The same row twice, to be added up.
        rows = torch.tensor([[0, 0]]), torch.tensor([1.0, 2.0])
        first.grad = torch.sparse_coo_tensor(*rows, (1,), check_invariants=True)
    elif case == "one twice":
        return [first, second, first]
    elif case == "one that is no parameter":
        plain = torch.zeros(1, requires_grad=True)
        plain.grad = first.grad
        return [plain, second]
    return weights


# PyTorch 2.11 speaks of sparse tensors that are not checked, also of one that is.
@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize(
    ("case", "norm"),
    [
        ("one without a gradient", 4.0),
        ("one with a sparse gradient", 5.0),
        ("one twice", 5.0),
        ("one that is no parameter", 5.0),
        ("nothing", 5.0),
    ],
)
def test_a_step_unlike_those_before_is_looked_at_anew(case: str, norm: float):
    weights = [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))]
    clip = ClipNorm(0.5)

    def backward():
        for weight, gradient in zip(weights, (3.0, 4.0), strict=True):
            weight.grad = torch.tensor([gradient])

    for _ in range(6):
        backward()
        assert clip(weights).grad_norm == 5
    backward()
    given = unlike(case, weights)
    assert clip(given).grad_norm == pytest.approx(norm)
    assert global_norm(given) == pytest.approx(0.5)
