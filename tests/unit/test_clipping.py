"""Clipping: the definition, held against every shortcut the component takes."""

import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from descent.clipping import AutoClip, ClipNorm, global_norm

PERCENTILES = (0, 1, 10, 25, 50, 90, 99.9, 100)
norms_of = st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=60)


def parameter(*gradient: float, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Return a parameter with the given gradient."""
    weight = torch.zeros(len(gradient), dtype=dtype, requires_grad=True)
    weight.grad = torch.tensor(gradient, dtype=dtype)
    return weight


def run(clip: AutoClip, norms) -> tuple[np.ndarray, np.ndarray]:
    """Feed norms to a clipper; return its thresholds and the norms after clipping."""
    thresholds, after = [], []
    for norm in norms:
        weight = parameter(norm)
        thresholds.append(clip([weight]).threshold)
        after.append(weight.grad.item())
    return np.array(thresholds), np.array(after)


def definition(norms, percentile, window=None) -> tuple[np.ndarray, np.ndarray]:
    """Append, percentile, clip: Algorithm 1 written plainly."""
    history, thresholds, after = [], [], []
    for norm in norms:
        history.append(norm)
        recent = history if window is None else history[-window:]
        eta = np.percentile(recent, percentile)
        thresholds.append(eta)
        after.append(norm * min(eta / norm, 1))
    return np.array(thresholds), np.array(after)


# --- The definition ---------------------------------------------------------


@given(norms_of, st.sampled_from(PERCENTILES) | st.floats(1, 100))
def test_thresholds_equal_numpys_percentile_bit_for_bit(norms, percentile):
    thresholds, after = run(AutoClip(percentile), norms)
    expected, expected_after = definition(norms, percentile)
    assert np.array_equal(thresholds, expected)
    np.testing.assert_allclose(after, expected_after, rtol=1e-12)


@pytest.mark.parametrize("percentile", PERCENTILES)
@pytest.mark.parametrize("shape", ["constant", "decaying", "growing", "spiky"])
def test_whole_histories_of_every_shape(shape, percentile):
    rng = np.random.default_rng(0)
    steps = np.arange(1500)
    noise = rng.lognormal(0, 0.3, steps.size)
    norms = {
        "constant": np.full(steps.size, 0.1),
        "decaying": noise * 10.0 ** (-steps / 1500),
        "growing": noise * 10.0 ** (steps / 1500),
        "spiky": noise * np.where(rng.random(steps.size) < 0.01, 1e4, 1),
    }[shape]
    thresholds, _ = run(AutoClip(percentile), norms)
    assert np.array_equal(thresholds, definition(norms, percentile)[0])


@given(norms_of, st.sampled_from(PERCENTILES), st.integers(1, 20))
def test_a_window_takes_the_percentile_of_recent_norms(norms, percentile, window):
    thresholds, _ = run(AutoClip(percentile, window=window), norms)
    assert np.array_equal(thresholds, definition(norms, percentile, window)[0])


@given(norms_of)
def test_the_ends_of_the_range(norms):
    never, _ = run(AutoClip(100), norms)
    assert np.array_equal(never, np.maximum.accumulate(norms))
    smallest, _ = run(AutoClip(0), norms)
    assert np.array_equal(smallest, np.minimum.accumulate(norms))


@given(norms_of, st.sampled_from(PERCENTILES))
def test_the_first_step_is_never_clipped(norms, percentile):
    weight = parameter(norms[0])
    report = AutoClip(percentile)([weight])
    assert not report.clipped
    assert weight.grad.item() == norms[0]


def test_warmup_clips_nothing_but_remembers():
    thresholds, after = run(AutoClip(10, warmup=3), [5.0, 1.0, 9.0, 4.0])
    assert np.array_equal(thresholds[:3], [math.inf] * 3)
    assert np.array_equal(after[:3], [5, 1, 9])
    assert thresholds[3] == np.percentile([5, 1, 9, 4], 10)


def test_a_ceiling_stops_even_the_first_explosion():
    thresholds, after = run(AutoClip(90, warmup=1, ceiling=2.0), [1e9, 1.0, 1.0])
    assert thresholds[0] == 2
    assert after[0] == pytest.approx(2)
    assert thresholds[2] <= 2


# --- Scaling the loss -------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(st.floats(-6, 6), st.sampled_from((0, 10, 50, 90)), st.integers(0, 99))
def test_scaling_the_loss_changes_no_decision_and_no_adam_step(power, p, seed):
    def train(scale: float) -> tuple[list[bool], torch.Tensor]:
        torch.manual_seed(seed)
        model = nn.Linear(3, 2, dtype=torch.float64)
        # eps is the one part of Adam that knows the size of a gradient.
        adam = torch.optim.Adam(model.parameters(), lr=0.05, eps=0)
        clip, decisions = AutoClip(p), []
        for _ in range(25):
            x = torch.randn(8, 3, dtype=torch.float64)
            adam.zero_grad()
            (scale * (model(x) - x[:, :2].cumsum(1)).pow(2).mean()).backward()
            decisions.append(clip(model.parameters()).clipped)
            adam.step()
        return decisions, torch.cat([w.detach().flatten() for w in model.parameters()])

    decisions, weights = train(1.0)
    scaled_decisions, scaled_weights = train(10.0**power)
    assert scaled_decisions == decisions
    torch.testing.assert_close(scaled_weights, weights, rtol=1e-7, atol=1e-9)


def test_a_fixed_threshold_does_change_its_decisions():
    small, large = parameter(0.5), parameter(500.0)
    assert not ClipNorm(1.0)([small]).clipped
    assert ClipNorm(1.0)([large]).clipped


# --- The global norm --------------------------------------------------------


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5), min_size=1))
def test_the_norm_is_that_of_all_parameters_as_one_vector(gradients):
    weights = [parameter(*gradient) for gradient in gradients]
    flat = np.concatenate(gradients)
    assert global_norm(weights) == pytest.approx(np.linalg.norm(flat), rel=1e-12)


def test_direction_is_kept_and_length_becomes_the_threshold():
    weights = [parameter(3.0, -4.0), parameter(12.0)]
    report = ClipNorm(1.3)(weights)
    assert report == (13.0, 1.3, True, False)
    flat = torch.cat([w.grad for w in weights])
    torch.testing.assert_close(flat, torch.tensor([3.0, -4, 12]).double() / 10)


def test_frozen_parameters_and_several_groups():
    frozen = torch.zeros(2)
    unused = torch.zeros(2, requires_grad=True)
    used = parameter(3.0, 4.0)
    optimizer = torch.optim.SGD([{"params": [used]}, {"params": [unused], "lr": 0.1}])
    weights = [w for group in optimizer.param_groups for w in group["params"]]
    assert AutoClip()([*weights, frozen]).grad_norm == 5
    assert unused.grad is None


def test_no_gradient_at_all_is_a_norm_of_zero():
    clip = AutoClip()
    report = clip([torch.zeros(2, requires_grad=True)])
    assert report == (0.0, math.inf, False, False)
    assert ClipNorm(2.0)([torch.zeros(2, requires_grad=True)]).threshold == 2


def test_one_tensor_may_stand_for_a_list():
    assert AutoClip()(parameter(3.0, 4.0)).grad_norm == 5


def test_finite_gradients_whose_squares_overflow_or_vanish():
    large = parameter(3e30, 4e30, dtype=torch.float32)
    report = ClipNorm(5.0)([large])
    assert report.grad_norm == pytest.approx(5e30, rel=1e-6)
    torch.testing.assert_close(large.grad, torch.tensor([3.0, 4.0]))
    small = parameter(3e-30, 4e-30, dtype=torch.float32)
    assert AutoClip()([small]).grad_norm == pytest.approx(5e-30, rel=1e-6)


@pytest.mark.parametrize(
    ("dtype", "size"),
    [
        (torch.float64, 1e200),
        (torch.float64, 1e-200),
        (torch.float64, 5e-324),
        (torch.complex64, 1e25j),
        (torch.complex64, 1e-30j),
        (torch.complex128, 1e200 + 0j),
        (torch.bfloat16, 1e30),
    ],
)
def test_no_precision_is_too_large_or_too_small_or_complex(dtype, size):
    weights = [parameter(3 * size, dtype=dtype), parameter(4 * size, dtype=dtype)]
    norm = 5 * abs(size)
    relative = 1e-2 if dtype == torch.bfloat16 else 1e-6
    report = ClipNorm(norm / 2)(weights)
    assert report.grad_norm == pytest.approx(norm, rel=relative)
    assert report.clipped
    after = global_norm(weights)
    assert after == pytest.approx(norm / 2, rel=max(relative, 5e-324 / norm))


@pytest.mark.parametrize("order", [(math.nan, 1e300), (1e300, math.nan)])
def test_what_is_not_a_number_stays_so_in_any_order(order):
    assert math.isnan(global_norm([parameter(value) for value in order]))
    assert global_norm([parameter(1e300), parameter(-math.inf)]) == math.inf


def test_gradients_of_several_kinds_are_one_vector():
    kinds = (torch.float16, torch.float32, torch.float64, torch.complex64)
    assert global_norm([parameter(1.0, dtype=kind) for kind in kinds]) == 2
    huge = [parameter(1e25j, dtype=torch.complex64), parameter(1e25)]
    assert global_norm(huge) == pytest.approx(math.sqrt(2) * 1e25)


def test_parameters_without_elements_count_as_zero():
    empty = parameter(dtype=torch.float32)
    assert global_norm([empty]) == 0
    assert global_norm([empty, parameter(3e200, 4e200)]) == pytest.approx(5e200)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_norms_are_not_cut_off(dtype):
    weight = parameter(*[200.0] * 400_000, dtype=dtype)  # the norm exceeds 65504
    expected = 200 * math.sqrt(400_000)
    assert global_norm([weight]) == pytest.approx(expected, rel=1e-3)
    ClipNorm(expected / 2)([weight])
    assert weight.grad[0].item() == pytest.approx(100, rel=1e-2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize(("size", "threshold"), [(1e4, 0.01), (4e4, 4e-4)])
def test_half_precision_is_clipped_to_the_threshold(dtype, size, threshold):
    # The factor is too small for half precision, the result is not.
    weights = [parameter(size, dtype=dtype), parameter(size, size, dtype=torch.float32)]
    ClipNorm(threshold)(weights)
    half, whole = weights[0].grad.item(), weights[1].grad[0].item()
    assert whole == pytest.approx(threshold / math.sqrt(3), rel=1e-2)
    assert half == pytest.approx(whole, rel=1e-2)


def test_sparse_gradients_count_a_row_that_stands_there_twice():
    def gradients(sparse: bool) -> tuple[float, torch.Tensor]:
        torch.manual_seed(0)
        table = nn.Embedding(6, 3, sparse=sparse)
        table(torch.tensor([1, 1, 4])).pow(2).sum().backward()
        report = ClipNorm(0.5)(table.parameters())
        gradient = table.weight.grad
        return report.grad_norm, gradient.to_dense() if sparse else gradient

    norm, dense = gradients(sparse=False)
    sparse_norm, sparse = gradients(sparse=True)
    assert sparse_norm == pytest.approx(norm, rel=1e-6)
    torch.testing.assert_close(sparse, dense)
    assert dense.norm() == pytest.approx(0.5, rel=1e-5)


def test_after_unscaling_mixed_precision_gives_the_plain_run():
    def train(scaled: bool) -> AutoClip:
        torch.manual_seed(0)
        model, clip = nn.Linear(4, 1), AutoClip(50)
        sgd = torch.optim.SGD(model.parameters(), lr=0.01)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, enabled=scaled)
        for _ in range(10):
            sgd.zero_grad()
            scaler.scale(model(torch.randn(8, 4)).pow(2).mean()).backward()
            scaler.unscale_(sgd)
            clip(model.parameters())
            scaler.step(sgd)
            scaler.update()
        return clip

    assert np.array_equal(train(True).history, train(False).history)


# --- Norms that are not finite ----------------------------------------------


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_skip_keeps_it_from_history_and_weights(bad):
    clip = AutoClip(50)
    run(clip, [1.0, 2.0, 3.0])
    weights = [parameter(bad, 1.0), parameter(2.0)]
    report = clip(weights)
    assert report.skipped
    assert not report.clipped
    assert not math.isfinite(report.grad_norm)
    assert all(torch.equal(w.grad, torch.zeros_like(w.grad)) for w in weights)
    assert np.array_equal(clip.history, [1, 2, 3])
    assert clip.skipped_steps == 1
    assert run(clip, [4.0])[0][0] == np.percentile([1, 2, 3, 4], 50)


def test_raise_changes_nothing():
    clip, weight = AutoClip(nonfinite="raise"), parameter(math.nan, 1.0)
    with pytest.raises(FloatingPointError, match="finite number, got nan"):
        clip([weight])
    assert weight.grad[1] == 1
    assert clip.history.size == 0


def test_ignore_leaves_gradients_to_a_guard_of_the_callers():
    clip, weight = AutoClip(nonfinite="ignore"), parameter(math.inf, 1.0)
    report = clip([weight])
    assert not report.skipped
    assert weight.grad[0] == math.inf
    assert clip.history.size == 0


def test_a_fixed_threshold_has_the_same_guard():
    weight = parameter(math.nan, 1.0)
    assert ClipNorm(1.0)([weight]).skipped
    assert torch.equal(weight.grad, torch.zeros(2).double())


# --- State ------------------------------------------------------------------


@settings(deadline=None)
@given(
    norms_of.filter(lambda norms: len(norms) > 1),
    st.sampled_from((0, 10, 50, 100)),
    st.none() | st.integers(1, 10),
    st.integers(0, 5),
    st.none() | st.floats(0.1, 10),
    st.data(),
)
def test_a_resume_at_any_step_goes_on_bit_for_bit(norms, p, window, warmup, top, data):
    cut = data.draw(st.integers(0, len(norms)))
    options = {"window": window, "warmup": warmup, "ceiling": top}
    whole = AutoClip(p, **options)
    expected, _ = run(whole, norms)

    first = AutoClip(p, **options)
    run(first, norms[:cut])
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    resumed = AutoClip()
    resumed.load_state_dict(torch.load(file, weights_only=True))
    thresholds, _ = run(resumed, norms[cut:])

    assert np.array_equal(thresholds, expected[cut:])
    assert np.array_equal(resumed.history, norms)
    assert np.array_equal(resumed.thresholds, expected)
    assert resumed.clipped_share == whole.clipped_share


def test_a_state_is_a_copy():
    clip = AutoClip()
    run(clip, [1.0, 2.0])
    state = clip.state_dict()
    run(clip, [3.0])
    assert state["norms"].tolist() == [1, 2]


def test_a_million_norms_take_eight_megabytes():
    clip = AutoClip()
    norms = torch.rand(1_000_000, dtype=torch.float64)
    clip.load_state_dict({**clip.state_dict(), "norms": norms})
    file = io.BytesIO()
    torch.save(clip.state_dict(), file)
    assert file.tell() <= 8 * 2**20
    threshold = clip([parameter(0.5)]).threshold
    assert threshold == np.percentile([*norms.tolist(), 0.5], 10)


BAD_STATES = {
    "norms as a list": {"norms": [1.0]},
    "norms of two dimensions": {"norms": torch.ones(2, 2, dtype=torch.float64)},
    "norms in float32": {"norms": torch.ones(2)},
    "a norm that is not finite": {"norms": torch.tensor([math.nan]).double()},
    "a negative norm": {"norms": torch.tensor([-1.0]).double()},
    "a percentile out of range": {"percentile": 101},
    "a window of nothing": {"window": 0},
    "an unknown policy": {"nonfinite": "hope"},
    "a negative count": {"skipped_steps": -1},
    "another key": {"threshold": 1.0},
}


@pytest.mark.parametrize("change", BAD_STATES.values(), ids=BAD_STATES)
def test_a_state_of_another_shape_is_refused_and_nothing_changed(change):
    clip = AutoClip(25)
    run(clip, [1.0, 2.0, 3.0])
    before = clip.state_dict()
    with pytest.raises(ValueError, match=next(iter(change))):
        clip.load_state_dict({**before, **change})
    after = clip.state_dict()
    assert torch.equal(after.pop("norms"), before.pop("norms"))
    assert after == before
    assert run(clip, [4.0])[0][0] == np.percentile([1, 2, 3, 4], 25)


def test_an_incomplete_state_is_refused():
    state = AutoClip().state_dict()
    del state["norms"]
    with pytest.raises(ValueError, match="must have the keys"):
        AutoClip().load_state_dict(state)
    with pytest.raises(ValueError, match="must have the keys"):
        AutoClip().load_state_dict(None)


# --- A logger's view --------------------------------------------------------


def test_a_loggers_view():
    clip = AutoClip(50)
    assert clip.clipped_share == 0
    thresholds, after = run(clip, [1.0, 3.0, 2.0, 8.0])
    assert clip.history.tolist() == [1, 3, 2, 8]
    assert np.array_equal(clip.thresholds, thresholds)
    assert clip.clipped_share == 0.5
    assert after.tolist() == [1, 2, 2, 2.5]


# --- Bad arguments ----------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"percentile": -1}, ValueError, "percentile must be .*at most 100, got -1"),
        ({"percentile": 100.1}, ValueError, "percentile"),
        ({"percentile": math.nan}, ValueError, "percentile"),
        ({"percentile": "10"}, TypeError, "percentile"),
        ({"window": 0}, ValueError, "window must be .*at least 1, got 0"),
        ({"window": 2.5}, TypeError, "window"),
        ({"warmup": -1}, ValueError, "warmup"),
        ({"ceiling": 0}, ValueError, "ceiling must be .*above 0, got 0"),
        ({"nonfinite": "hope"}, ValueError, "'skip', 'raise', 'ignore', got 'hope'"),
    ],
)
def test_bad_arguments_are_named(arguments, error, says):
    with pytest.raises(error, match=says):
        AutoClip(**arguments)


@pytest.mark.parametrize("threshold", [0, -1, math.inf, math.nan])
def test_a_bad_fixed_threshold_is_named(threshold):
    with pytest.raises(ValueError, match="threshold must be"):
        ClipNorm(threshold)
