"""On a GPU, where there is one: the numbers of the processor, captured and compiled.

No machine that tests every change has one; the changelog says when these were last
run, and on what.
"""

import copy
import math
import pickle
import warnings

import numpy as np
import pytest
import torch
from test_clipping_capture import random_case, same
from test_ensemble import ensemble, minibatches
from torch import nn

import clipping_controls
from descent.checkpoint import load_checkpoint, save_checkpoint
from descent.clipping import AutoClip, ClipNorm
from descent.seeds import set_seed

if not torch.cuda.is_available():
    pytest.skip("needs a GPU", allow_module_level=True)


def parameters(device: str = "cuda") -> list[nn.Parameter]:
    """Return weights of several shapes and precisions, their gradients in place."""
    generator = torch.Generator().manual_seed(0)
    weights = []
    for shape, dtype in [
        ((300, 7), torch.float32),
        ((1000,), torch.float32),
        ((5, 5), torch.bfloat16),
        ((40,), torch.float64),
        ((), torch.float32),
    ]:
        weight = nn.Parameter(torch.zeros(shape, dtype=dtype, device=device))
        weight.grad = torch.randn(shape, generator=generator).to(device, dtype)
        weights.append(weight)
    return weights


def gradients(step: int) -> list[torch.Tensor]:
    """Return the gradients of a step: long and short ones, zeros, and a NaN."""
    size = math.exp(np.random.default_rng(step).normal())
    size = {4: math.nan, 6: 0.0, 9: 1e25}.get(step, size)
    return [size * weight.grad for weight in parameters()]


STEPS = 40


def on_host() -> tuple[AutoClip, list[object], list[list[torch.Tensor]]]:
    """Return clipper, reports and clipped gradients of the plain way."""
    clip, reports, left = AutoClip(30, warmup=2), [], []
    weights = parameters()
    for step in range(STEPS):
        for weight, gradient in zip(weights, gradients(step), strict=True):
            weight.grad = gradient
        reports.append(clip(weights))
        left.append([weight.grad for weight in weights])
    return clip, reports, left


@pytest.mark.filterwarnings("ignore")  # the compiler's own
@pytest.mark.parametrize("way", ["eager", "captured", "compiled"])
def test_a_step_on_the_device_is_the_hosts_bit_for_bit(way):
    host, expected, right = on_host()
    clip, weights = AutoClip(30, warmup=2, capturable=True), parameters()
    clip.prepare("cuda")

    def run():
        return clip(weights)

    if way == "compiled":
        torch._dynamo.reset()
        run = torch.compile(run, fullgraph=True)
    if way == "captured":
        graph = torch.cuda.CUDAGraph()
        clip(weights)  # libraries set themselves up
        clip.load_state_dict(AutoClip(30, warmup=2).state_dict())
        clip.prepare("cuda")
        with torch.cuda.graph(graph):
            result = clip(weights)

        def run():
            graph.replay()
            return result

    for step in range(STEPS):
        for weight, gradient in zip(weights, gradients(step), strict=True):
            weight.grad.copy_(gradient)
        assert same(run().read(), expected[step]), step
        for weight, gradient in zip(weights, right[step], strict=True):
            assert torch.equal(weight.grad.nan_to_num(), gradient.nan_to_num()), step
    assert np.array_equal(clip.history, host.history)
    assert np.array_equal(clip.thresholds, host.thresholds)
    assert clip.skipped_steps == host.skipped_steps == 1
    assert clip.zero_steps == host.zero_steps == 1
    assert 0 < clip.clipped_share < 1


def test_histories_are_the_hosts_bit_for_bit():
    for seed in range(100):
        percentile, options, norms = random_case(seed)
        host = AutoClip(percentile, **options)
        device = AutoClip(percentile, **options, capturable=True, capacity=1 + seed % 9)
        for norm in norms:
            weights = [
                nn.Parameter(torch.zeros(1, dtype=torch.float64, device="cuda"))
                for _ in range(2)
            ]
            for weight in weights:
                weight.grad = torch.full_like(weight, norm)
            expected, report = host([weights[0]]), device([weights[1]]).read()
            assert same(report, expected), seed
            left, right = (weight.grad.nan_to_num() for weight in weights)
            assert torch.equal(left, right), seed
        assert np.array_equal(device.history, host.history)


@pytest.fixture
def no_waiting():
    """PyTorch raises an error where the program would wait for the device."""

    def begin() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch says that this is a prototype
            torch.cuda.set_sync_debug_mode("error")

    yield begin
    torch.cuda.set_sync_debug_mode("default")


def test_nothing_waits_before_a_report_is_read(no_waiting):
    clip, weights = AutoClip(30, capturable=True), parameters()
    clip.prepare("cuda")
    no_waiting()
    reports = [clip(weights) for _ in range(5)]
    with pytest.raises(RuntimeError, match="synchroniz"):
        reports[0].read()


def test_a_long_history_is_numpys():
    norms = np.random.default_rng(0).lognormal(size=1_000_000)
    clip = AutoClip(10, capturable=True)
    clip.load_state_dict({**clip.state_dict(), "norms": torch.from_numpy(norms)})
    (weight,) = parameters()[1:2]
    report = clip([weight]).read()
    expected = np.percentile([*norms, report.grad_norm], 10)
    assert report.threshold == expected
    assert report.clipped


@pytest.mark.parametrize("capturable", [False, True])
@pytest.mark.parametrize("way", ["told", "unscaled", "attached"])
@pytest.mark.parametrize("fused", [False, True])
def test_overflow_reaches_the_scaler(capturable, way, fused):
    set_seed(0)
    model = nn.Linear(4, 1).cuda()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=fused)
    scaler = torch.amp.GradScaler("cuda", init_scale=2.0**24, growth_interval=10**6)
    clip = AutoClip(50, capturable=capturable)
    if way == "attached":
        clip.attach(optimizer)
    x = torch.randn(8, 4, device="cuda")
    first = None
    for _ in range(60):
        optimizer.zero_grad()
        with torch.autocast("cuda", dtype=torch.float16):
            loss = (model(x) - 3 * x[:, :1]).float().pow(2).mean()
        if first is None:
            grads = torch.autograd.grad(loss, model.parameters(), retain_graph=True)
            first = torch.stack([grad.norm() for grad in grads]).norm().item()
        scaler.scale(loss).backward()
        if way == "unscaled":
            scaler.unscale_(optimizer)
        if way != "attached":
            clip(model, scaler=scaler)
        scaler.step(optimizer)
        scaler.update()
    assert scaler.get_scale() < 2.0**24
    assert 20 < clip.history.size < 60
    # An optimizer that the scaler does not call calls nobody.
    called = way != "attached" or fused
    assert clip.skipped_steps == (60 - clip.history.size if called else 0)
    # The history holds norms of gradients: no factor of the scale is in it.
    assert clip.history[0] == pytest.approx(first, rel=1e-2)


def test_weights_may_lie_on_several_devices():
    for clip in (ClipNorm(0.5), AutoClip(0), AutoClip(0, capturable=True)):
        weights = [*parameters()[:2], *parameters("cpu")[:2]]
        before = [weight.grad.cpu().clone() for weight in weights]
        norm = torch.cat([gradient.flatten() for gradient in before]).norm().item()
        if isinstance(clip, AutoClip):
            smaller = torch.tensor([0.5], dtype=torch.float64)
            clip.load_state_dict({**clip.state_dict(), "norms": smaller})
        report = clip(weights)
        report = report.read() if hasattr(report, "read") else report
        assert report.grad_norm == pytest.approx(norm, rel=1e-6)
        for weight, gradient in zip(weights, before, strict=True):
            torch.testing.assert_close(weight.grad.cpu(), gradient * 0.5 / norm)


def test_a_first_step_without_gradients_is_one_on_the_device():
    clip, weights = AutoClip(30, capturable=True), parameters()
    kept = [weight.grad for weight in weights]
    for weight in weights:
        weight.grad = None
    assert clip(weights).read().grad_norm == 0
    for weight, gradient in zip(weights, kept, strict=True):
        weight.grad = gradient
    assert clip(weights).read().grad_norm == clip.history[0]
    weights[0].grad = weights[1].grad = None
    assert clip([*weights, parameters("cpu")[0]]).read().grad_norm > 0
    assert clip.history.size == 2
    assert clip.zero_steps == 1


def test_a_history_on_the_device_is_copied_kept_and_read_elsewhere():
    clip, weights = AutoClip(30, capturable=True), parameters()
    for _ in range(3):
        clip(weights)
    norms = clip.history
    assert norms.size == 3
    for other in (copy.deepcopy(clip), pickle.loads(pickle.dumps(clip))):
        other(weights)
        assert np.array_equal(other.history[:3], norms)
        assert other.history.size == 4
    assert not any(
        isinstance(value, torch.Tensor) and value.is_cuda
        for value in clip.state_dict().values()
    )
    host = AutoClip(30)
    host.load_state_dict(clip.state_dict())
    assert np.array_equal(host.history, norms)


def test_a_checkpoint_keeps_the_devices_random_numbers(tmp_path):
    torch.cuda.manual_seed(3)
    save_checkpoint(tmp_path / "run.pt")
    expected = torch.rand(5, device="cuda")
    torch.cuda.manual_seed(4)
    load_checkpoint(tmp_path / "run.pt")
    assert torch.equal(torch.rand(5, device="cuda"), expected)


# --- Many runs as one


@pytest.mark.parametrize("loss", ["L1", "SNR"])
def test_the_ensemble_is_that_of_the_processor(loss):
    plain = ensemble(loss, permuted=True)
    eager = ensemble(loss, permuted=True, device="cuda")
    captured = ensemble(loss, permuted=True, device="cuda")
    batches = minibatches(2)
    captured.capture(torch.zeros_like(batches[0], device="cuda"))
    assert captured.steps == 0
    for batch in batches:
        plain.step(batch)
        eager.step(batch.cuda())
        captured.step(batch.cuda())
    for name, value in plain.state_dict().items():
        for other in (eager, captured):
            found = other.state_dict()[name].cpu()
            torch.testing.assert_close(
                found, value, rtol=1e-9, atol=1e-9, equal_nan=True
            )


def test_a_captured_ensemble_never_waits(no_waiting):
    together = ensemble("SNR", device="cuda")
    batches = [batch.cuda() for batch in minibatches(2)]
    together.capture(batches[0])
    no_waiting()
    for batch in batches:
        together.step(batch)


def test_the_experiment_goes_on_after_a_kill(tmp_path, monkeypatch):
    music = 0.1 * np.random.default_rng(0).normal(size=(3, 2, 20_000))
    music = clipping_controls.Music(
        music.astype(np.float32), [torch.from_numpy(music[:1, :, :5_000]).float()] * 2
    )
    monkeypatch.setattr(clipping_controls, "music", lambda task: music)
    setting = clipping_controls.Setting(
        "two voices", "SNR", steps=60, hidden=3, frames=8, batch=2
    )

    def train(name, minutes):
        end = clipping_controls.time.monotonic() + 60 * minutes
        where = tmp_path / f"{name}.pt"
        return clipping_controls.train(setting, [0, 1], 0.5, "cuda", where, end)

    whole = train("whole", 10)
    assert train("portions", 0) is None  # no time: one block
    portions = train("portions", 10)
    for one, other in zip(whole, portions, strict=True):
        assert one["arm"] == other["arm"]
        assert one["100"] == pytest.approx(other["100"], rel=1e-3)
        assert one["path"] == pytest.approx(other["path"], rel=1e-3)
