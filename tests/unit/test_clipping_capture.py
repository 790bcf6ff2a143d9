"""A clipper that stays on the device: the host's numbers, whatever compiles it."""

import copy
import math
import random
import sys
import threading
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from descent.clipping import AutoClip, Report, SkippedStepsWarning
from descent.clipping.capture import DeviceHistory
from descent.clipping.gradients import wide_norm


def parameter(*gradient: float, dtype: torch.dtype = torch.float64) -> nn.Parameter:
    weight = nn.Parameter(torch.zeros(len(gradient), dtype=dtype))
    weight.grad = torch.tensor(gradient, dtype=dtype)
    return weight


def same(one: Report, other: Report) -> bool:
    return np.array_equal(one, other, equal_nan=True)


ODD = (math.nan, math.inf, 0.0, 1e-310, 1e30, 1e-30)


def random_case(seed: int) -> tuple[float, dict, list[float]]:
    chance = random.Random(seed)
    options = {
        "window": chance.choice([None, None, 1, 3, 10]),
        "ceiling": chance.choice([None, 2.0]),
        "warmup": chance.choice([0, 0, 0, 5]),
        "nonfinite": chance.choice(["skip", "ignore"]),
    }
    percentile = chance.choice([0, 1, 10, 50, 99.9, 100, chance.uniform(1, 100)])
    norms = [
        chance.choice(ODD) if chance.random() < 0.3 else chance.lognormvariate(0, 1)
        for _ in range(chance.randint(1, 16))
    ]
    return percentile, options, norms


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_a_thousand_histories_are_the_hosts_bit_for_bit(block):
    for seed in range(100 * block, 100 * (block + 1)):
        percentile, options, norms = random_case(seed)
        host = AutoClip(percentile, **options)
        device = AutoClip(
            percentile, **options, capturable=True, capacity=1 + seed % 20
        )
        cut = seed % len(norms)
        for step, norm in enumerate(norms):
            if step == cut:  # the states are interchangeable
                states = host.state_dict(), device.state_dict()
                for clip, state in zip((device, host), states, strict=True):
                    clip.load_state_dict(state)
            weights = parameter(norm), parameter(norm)
            expected, report = host([weights[0]]), device([weights[1]]).read()
            assert same(report, expected), (seed, step)
            found, right = weights[1].grad, weights[0].grad
            assert torch.equal(found.nan_to_num(), right.nan_to_num()), (seed, step)
        assert np.array_equal(device.history, host.history)
        assert np.array_equal(device.thresholds, host.thresholds)
        assert device.clipped_share == host.clipped_share
        assert device.skipped_steps == host.skipped_steps
        assert device.zero_steps == host.zero_steps


def test_a_few_histories_are_the_hosts():
    for seed in range(12):
        percentile, options, norms = random_case(seed)
        norms.append(math.nan)
        host = AutoClip(percentile, **options)
        device = AutoClip(percentile, **options, capturable=True, capacity=4)
        for norm in norms:
            weights = parameter(norm), parameter(norm)
            expected = host([weights[0]])
            assert same(device([weights[1]]).read(), expected)
            left, right = (w.grad.nan_to_num(nan=-1.0) for w in weights)
            assert torch.equal(left, right)


@pytest.mark.parametrize(
    "dtype",
    [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64],
)
@pytest.mark.parametrize("size", [1.0, 1e4, 1e-6, 1e25])
def test_every_precision_is_clipped_as_on_the_host(dtype, size):
    if dtype == torch.float16 and size > 1e5:
        pytest.skip("no such number")
    results = []
    for capturable in (False, True):
        clip = AutoClip(0, capturable=capturable, ceiling=0.5 * size)
        weights = [
            parameter(3 * size, dtype=dtype),
            parameter(4 * size, -size, dtype=dtype),
            parameter(size, dtype=torch.float32),
        ]
        report = clip(weights)
        results.append([report.read() if capturable else report, weights])
    (expected, right), (report, found) = results
    assert report == expected
    assert report.clipped
    for one, other in zip(found, right, strict=True):
        assert torch.equal(one.grad, other.grad)


def test_the_norm_in_double_precision_takes_what_is_conjugated_when_it_is_looked_at():
    gradient = torch.full((4, 3), 1e-20, dtype=torch.complex64) * (1 + 2j)
    assert gradient.conj().is_conj()
    norms = [wide_norm([g], 2.0**10) / 2**10 for g in (gradient, gradient.conj())]
    assert norms[0] == norms[1] == wide_norm([gradient.conj()])
    assert norms[0].item() == pytest.approx(60**0.5 * 1e-20)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))


def trained(clip: AutoClip, step_with) -> tuple[list[Report], list[torch.Tensor]]:
    """Train with a NaN and a gradient of zero on the way."""
    model, reports = network(), []
    weights = [*model.parameters(), model[0].weight]  # one comes twice
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    data = torch.Generator().manual_seed(1)
    clipped_step = step_with(lambda: clip(weights))
    for step in range(12):
        optimizer.zero_grad()
        loss = model(torch.randn(8, 4, generator=data)).pow(2).mean()
        (loss * {5: math.nan, 7: 0.0}.get(step, 1.0)).backward()
        report = clipped_step()
        reports.append(report.read() if clip.capturable else report)
        optimizer.step()
    return reports, [weight.detach() for weight in weights]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # inductor's own
@pytest.mark.parametrize("backend", ["eager", "aot_eager", "inductor"])
def test_a_compiled_step_is_the_eager_one_bit_for_bit(backend):
    expected, right = trained(AutoClip(30, warmup=2), lambda step: step)
    clip = AutoClip(30, warmup=2, capturable=True)
    clip.prepare("cpu")
    torch._dynamo.reset()

    def compiled(step):
        return torch.compile(step, fullgraph=True, backend=backend)

    reports, weights = trained(clip, compiled)
    assert all(map(same, reports, expected))
    assert sum(report.clipped for report in reports) > 3
    for one, other in zip(weights, right, strict=True):
        assert torch.equal(one, other)
    assert clip.skipped_steps == clip.zero_steps == 1


def test_nothing_waits_for_the_host_before_a_report_is_read(monkeypatch):
    # On the meta device there are no numbers: whoever asks for one fails. So for the
    # decisions; the gradients themselves must hold numbers.
    history = DeviceHistory(np.empty(0), (0,) * 5, 3, 8, torch.device("cpu"))
    for name in ("norms", "ordered", "counts"):
        setattr(history, name, getattr(history, name).to("meta"))
    norm = torch.zeros((), dtype=torch.float64, device="meta")
    assert history.record(norm, 0.0, 10.0, 2, 1.0).is_meta

    clip, weight = AutoClip(50, capturable=True), parameter(3.0, 4.0)
    clip.prepare("cpu")
    asked = []
    for name in ("item", "tolist", "__bool__", "__float__", "__int__", "__index__"):
        method = getattr(torch.Tensor, name)

        def spy(*arguments, _method=method, _name=name):
            asked.append(_name)
            return _method(*arguments)

        monkeypatch.setattr(torch.Tensor, name, spy)
    report = clip([weight])
    assert asked == []
    assert report.read().grad_norm == 5
    assert asked


def test_room_doubles_and_nothing_is_forgotten():
    clip = AutoClip(50, capturable=True, capacity=2)
    norms = np.random.default_rng(0).lognormal(size=50)
    thresholds = [clip([parameter(norm)]).read().threshold for norm in norms]
    expected = [np.percentile(norms[: i + 1], 50) for i in range(50)]
    assert thresholds == expected
    assert np.array_equal(clip.history, norms)


@pytest.mark.parametrize("window", [None, 3])
def test_a_captured_step_that_runs_out_of_room_says_so(window):
    clip = AutoClip(50, window=window, capturable=True, capacity=4)
    clip.prepare("cpu")
    clip._device.grow = lambda: None  # as in a step that is captured
    for norm in (1.0, 2.0, 3.0, 4.0):
        clip([parameter(norm)])
    assert clip.history.size == 4
    clip([parameter(5.0)])
    for reading in ("history", "thresholds", "skipped_steps", "clipped_share"):
        with pytest.raises(RuntimeError, match="room for 4 norms, and 1 more came"):
            getattr(clip, reading)
    with pytest.raises(RuntimeError, match="larger capacity"):
        clip.state_dict()


def test_a_state_goes_into_the_memory_that_a_captured_step_uses():
    clip, other = (AutoClip(50, capturable=True, capacity=8) for _ in range(2))
    for norm in (3.0, 1.0, 2.0):
        other([parameter(norm)])
    clip.prepare("cpu")
    memory = clip._device.norms.data_ptr(), clip._device.ordered.data_ptr()
    clip.load_state_dict(other.state_dict())
    assert memory == (clip._device.norms.data_ptr(), clip._device.ordered.data_ptr())
    assert clip([parameter(9.0)]).read().threshold == 2.5
    for duplicate in (copy.copy(clip), copy.deepcopy(clip)):
        duplicate([parameter(4.0)])
        assert duplicate.history.tolist() == [3, 1, 2, 9, 4]
    assert clip.history.tolist() == [3, 1, 2, 9]


def test_what_a_device_cannot_do_is_refused():
    with pytest.raises(ValueError, match="nonfinite must not be 'raise'"):
        AutoClip(nonfinite="raise", capturable=True)
    clip = AutoClip(capturable=True)
    with pytest.raises(ValueError, match="nonfinite must not be 'raise'"):
        clip.load_state_dict(AutoClip(nonfinite="raise").state_dict())
    with pytest.raises(ValueError, match="capacity must be"):
        AutoClip(capturable=True, capacity=0)
    with pytest.raises(RuntimeError, match="capturable=True"):
        AutoClip().prepare("cpu")
    with pytest.raises(ValueError, match="got nothing"):
        clip([])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler's own
def test_a_compiled_step_refuses_what_an_eager_one_refuses():
    clip = AutoClip(capturable=True)
    clip.prepare("cpu")
    weights = [parameter(3.0), parameter(4.0)]
    used_up = iter(weights)
    list(used_up)
    for wrong, says in (
        ([], "got nothing"),
        (used_up, "got nothing"),
        ([weight.grad for weight in weights], "are these gradients"),
    ):
        torch._dynamo.reset()
        with pytest.raises(ValueError, match=says):
            torch.compile(lambda wrong=wrong: clip(wrong), backend="eager")()
    optimizer = torch.optim.SGD(weights, lr=0.0)
    clip = AutoClip(capturable=True)
    clip.prepare("cpu")
    clip.attach(optimizer)
    torch._dynamo.reset()
    with pytest.raises(RuntimeError, match="is attached to an optimizer"):
        torch.compile(lambda: clip(weights), backend="eager")()
    assert clip.history.size == 0


def test_threads_may_share_a_clipper_that_stays_on_the_device():
    clip = AutoClip(50, capturable=True)

    def work() -> None:
        for norm in range(1, 201):
            clip([parameter(float(norm))])

    workers = [threading.Thread(target=work) for _ in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(interval)
    assert len(clip.history) == 800


def test_standing_still_is_said_when_somebody_looks():
    clip = AutoClip(capturable=True)
    for _ in range(30):
        clip([parameter(math.nan)])
    with pytest.warns(SkippedStepsWarning, match="30 steps in a row"):
        assert clip.skipped_steps == 30
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert clip.skipped_steps == 30


@pytest.mark.parametrize("fused", [False, True])
def test_an_attached_capturable_clipper_leaves_overflow_to_the_scaler(fused):
    def run(capturable: bool) -> tuple[AutoClip, float]:
        model = network()
        adam = torch.optim.Adam(model.parameters(), lr=0.01, fused=fused)
        clip = AutoClip(50, capturable=capturable)
        clip.attach(adam)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
        data = torch.Generator().manual_seed(1)
        for _ in range(12):
            adam.zero_grad()
            loss = model(torch.randn(8, 4, generator=data)).pow(2).mean()
            scaler.scale(1000 * loss).backward()
            scaler.step(adam)
            scaler.update()
        return clip, scaler.get_scale()

    (host, right), (device, scale) = run(False), run(True)
    assert scale == right < 2.0**127
    assert np.array_equal(device.history, host.history)
    assert device.skipped_steps == host.skipped_steps


def test_a_warning_that_is_an_error_is_raised_once():
    clip = AutoClip(capturable=True)
    for _ in range(30):
        clip([parameter(math.nan)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SkippedStepsWarning):
            clip.state_dict()
        assert clip.state_dict()["skipped_steps"] == 30


@pytest.mark.parametrize("options", [{}, {"window": 3}, {"warmup": 2}])
def test_thresholds_may_be_looked_at_after_every_step(options):
    device, host = AutoClip(30, capturable=True, **options), AutoClip(30, **options)
    for norm in (3.0, 1.0, 4.0, 1.5, 9.0, 2.0, 6.0):
        for clip in (device, host):
            clip([parameter(norm)])
        assert np.array_equal(device.thresholds, host.thresholds)
        assert device.clipped_share == host.clipped_share
    device.load_state_dict({**device.state_dict(), "percentile": 60.0})
    host.load_state_dict({**host.state_dict(), "percentile": 60.0})
    assert np.array_equal(device.thresholds, host.thresholds)
    device([parameter(5.0)]), host([parameter(5.0)])
    assert np.array_equal(device.thresholds, host.thresholds)
