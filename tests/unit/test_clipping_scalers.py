"""Gradient scalers, optimizers with a clipper, and norms that stay not finite."""

import copy
import gc
import linecache
import math
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.amp import GradScaler

from descent.clipping import AutoClip, ClipNorm, SkippedStepsWarning

ADVICE = r"scaler.unscale_\(optimizer\).*scaler=scaler"


@pytest.fixture(autouse=True)
def nobody_elses_scalers():
    gc.collect()


@pytest.fixture(autouse=True, scope="module")
def no_scalers_are_left_to_others():
    yield
    gc.collect()


def parameter(*gradient: float) -> nn.Parameter:
    weight = nn.Parameter(torch.zeros(len(gradient), dtype=torch.float64))
    weight.grad = torch.tensor(gradient, dtype=torch.float64)
    return weight


class Loop:
    """A small training with a scaler; `clip_with` is called where one clips."""

    def __init__(self, scale: float, *, kind=torch.optim.SGD, enabled=True, **options):
        torch.manual_seed(0)
        self.model = nn.Linear(4, 1)
        self.optimizer = kind(self.model.parameters(), lr=0.01, **options)
        self.scaler = GradScaler(
            "cpu", init_scale=scale, growth_interval=10**6, enabled=enabled
        )
        self.data = torch.Generator().manual_seed(1)

    def run(self, steps: int, clip_with, *, unscale: bool = False) -> None:
        for _ in range(steps):
            x = torch.randn(8, 4, generator=self.data)
            self.optimizer.zero_grad()
            loss = (self.model(x) - 3 * x[:, :1]).pow(2).mean()
            self.scaler.scale(loss).backward()
            if unscale:
                self.scaler.unscale_(self.optimizer)
            clip_with(self)
            self.scaler.step(self.optimizer)
            self.scaler.update()


def call(clip, **options):
    return lambda loop: clip(loop.model.parameters(), **options)


def told(clip):
    return lambda loop: clip(loop.model.parameters(), scaler=loop.scaler)


def plain_history(steps: int = 12, **options) -> np.ndarray:
    clip = AutoClip(50)
    Loop(1, enabled=False, **options).run(steps, call(clip))
    return clip.history


@pytest.fixture(scope="module")
def scale_of_pytorch() -> float:
    """The scale after six steps with PyTorch's own clipping."""
    loop = Loop(2.0**127)
    clip = nn.utils.clip_grad_norm_
    loop.run(6, lambda loop: clip(loop.model.parameters(), 1.0), unscale=True)
    assert loop.scaler.get_scale() < 2.0**126
    return loop.scaler.get_scale()


# --- Overflow reaches the scaler --------------------------------------------


def test_overflow_is_refused_where_nobody_unscaled():
    loop, clip = Loop(2.0**127), AutoClip()
    with pytest.raises(RuntimeError, match=ADVICE):
        loop.run(1, call(clip))
    assert clip.history.size == clip.skipped_steps == 0
    assert not loop.model.weight.grad.isfinite().all()


@pytest.mark.parametrize("policy", ["skip", "ignore"])
@pytest.mark.parametrize("clipper", [AutoClip, partial(ClipNorm, 1.0)])
@pytest.mark.parametrize(
    ("way", "unscale"), [(told, False), (told, True), (call, True)]
)
def test_the_scale_falls_as_with_pytorchs_own_clipping(
    policy, clipper, way, unscale, scale_of_pytorch
):
    loop, clip = Loop(2.0**127), clipper(nonfinite=policy)
    loop.run(6, way(clip), unscale=unscale)
    assert loop.scaler.get_scale() == scale_of_pytorch
    assert clip.skipped_steps == math.log2(2.0**127 / scale_of_pytorch)


def test_at_a_scale_of_one_overflow_is_still_the_scalers():
    loop, clip = Loop(1.0), AutoClip()

    def poison_and_clip(loop):
        loop.model.weight.grad[0, 0] = math.inf
        assert clip(loop.model.parameters(), scaler=loop.scaler).skipped

    loop.run(2, poison_and_clip)
    assert loop.scaler.get_scale() == 0.25


@pytest.mark.parametrize("fused", [False, True])
def test_the_history_holds_norms_of_gradients(fused):
    options = {"kind": torch.optim.Adam, "fused": fused}
    expected = plain_history(**options)
    for unscale, way in ((False, told), (True, told), (True, call)):
        loop, clip = Loop(2.0**10, **options), AutoClip(50)
        loop.run(12, way(clip), unscale=unscale)
        np.testing.assert_allclose(clip.history, expected, rtol=1e-5)
        assert loop.scaler.get_scale() == 2.0**10


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("unscale", [False, True])
def test_an_attached_clipper_needs_no_scaler(fused, unscale, scale_of_pytorch):
    options = {"kind": torch.optim.Adam, "fused": fused}
    loop, clip = Loop(2.0**10, **options), AutoClip(50)
    clip.attach(loop.optimizer)
    loop.run(12, lambda loop: None, unscale=unscale)
    np.testing.assert_allclose(clip.history, plain_history(**options), rtol=1e-5)
    loop = Loop(2.0**127, **options)
    AutoClip().attach(loop.optimizer)
    loop.run(6, lambda loop: None, unscale=unscale)
    assert loop.scaler.get_scale() == scale_of_pytorch


def test_a_scale_without_overflow_is_found_at_once_or_one_step_late():
    loop, clip = Loop(2.0**10), AutoClip()
    with pytest.raises(RuntimeError, match=ADVICE):
        loop.run(1, call(clip))
    assert clip.history.size == 0
    # A scaler that has worked before could be at work for others; its step tells.
    loop, clip = Loop(2.0**10), AutoClip()
    loop.run(2, lambda loop: None)
    with pytest.raises(RuntimeError, match="in an earlier step"):
        loop.run(3, call(clip))
    assert clip.history.size == 1


def test_the_wrong_order_is_found():
    loop, clip = Loop(2.0**10), AutoClip()
    loop.run(1, lambda loop: None)

    def too_early(loop):
        clip(loop.model.parameters())
        loop.scaler.unscale_(loop.optimizer)

    with pytest.raises(RuntimeError, match="in an earlier step"):
        loop.run(3, too_early)


# --- Nobody is refused who is right -----------------------------------------


def test_a_scaler_that_was_left_over_is_no_obstacle():
    old, clip = Loop(2.0**10), AutoClip(50)
    old.run(3, lambda loop: None)
    loop = Loop(1, enabled=False)
    loop.run(12, call(clip))
    assert np.array_equal(clip.history, plain_history())
    weight = parameter(math.nan)
    assert clip([weight, *loop.model.parameters()]).skipped


def test_two_networks_of_which_one_has_a_scaler():
    scaled, plain = Loop(2.0**10), Loop(1, enabled=False)
    clips = AutoClip(50), AutoClip(50)
    for _ in range(12):
        scaled.run(1, told(clips[0]))
        plain.run(1, call(clips[1]))
    for clip in clips:
        np.testing.assert_allclose(clip.history, plain_history(), rtol=1e-5)
    plain.optimizer.zero_grad()
    (plain.model.weight.sum() * math.nan).backward()
    assert clips[1](plain.model).skipped


def test_one_scaler_for_two_optimizers():
    first, second = Loop(2.0**10), Loop(1)
    scaler, clips = first.scaler, (AutoClip(50), AutoClip(50))
    for step in range(12):
        for loop in (first, second):
            x = torch.randn(8, 4, generator=loop.data)
            loop.optimizer.zero_grad()
            loss = (loop.model(x) - 3 * x[:, :1]).pow(2).mean()
            scaler.scale(loss).backward()
        scaler.unscale_(first.optimizer)
        clips[0](first.model.parameters())
        # The second is still scaled, and the clipper is told.
        parameters = second.optimizer if step % 2 else second.model.parameters()
        clips[1](parameters, scaler=scaler)
        for loop in (first, second):
            scaler.step(loop.optimizer)
        scaler.update()
    for clip in clips:
        np.testing.assert_allclose(clip.history, plain_history(), rtol=1e-5)


def test_a_disabled_scaler_says_that_there_is_none():
    clip = AutoClip(50)
    Loop(1, enabled=False).run(12, told(clip))
    assert np.array_equal(clip.history, plain_history())
    other = GradScaler("cpu")
    other.scale(torch.ones(1))  # at its first step at the same time
    with pytest.raises(RuntimeError, match="enabled=False"):
        clip([parameter(1.0)])
    clip([parameter(1.0)], scaler=GradScaler("cpu", enabled=False))


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda loop: 1024.0, TypeError, "scaler must be .* got float"),
        (lambda loop: GradScaler("cpu"), ValueError, "must have scaled the loss"),
    ],
)
def test_a_bad_scaler_is_named(make, error, says):
    clip, loop = AutoClip(), Loop(2.0)
    with pytest.raises(error, match=says):
        loop.run(1, lambda loop: clip(loop.model, scaler=make(loop)))
    assert clip.history.size == 0


class Wrapper(torch.optim.Optimizer):
    """As Lightning and Accelerate have one; the scaler knows the one inside."""

    def __init__(self, optimizer):
        self.optimizer = optimizer

    param_groups = property(lambda self: self.optimizer.param_groups)


@pytest.mark.parametrize("unscale", [False, True])
@pytest.mark.parametrize("passes", ["the wrapper", "the parameters"])
def test_a_wrapper_is_the_optimizer_inside(passes, unscale):
    loop, clip = Loop(2.0**10), AutoClip(50)
    wrapper = Wrapper(loop.optimizer)
    given = wrapper if passes == "the wrapper" else list(loop.model.parameters())
    loop.run(12, lambda loop: clip(given, scaler=loop.scaler), unscale=unscale)
    np.testing.assert_allclose(clip.history, plain_history(), rtol=1e-5)


def test_a_new_optimizer_beside_the_old_one_is_not_overlooked():
    loop, clip = Loop(2.0**10), ClipNorm(1.0)
    loop.run(3, told(clip), unscale=True)
    old, loop.optimizer = (
        loop.optimizer,
        torch.optim.SGD(loop.model.parameters(), lr=0.01),
    )
    with pytest.raises(ValueError, match="got both: pass the optimizer itself"):
        loop.run(1, told(clip), unscale=True)
    del old
    loop.scaler.update()
    norms = []

    def itself(loop):
        norms.append(clip(loop.optimizer, scaler=loop.scaler).grad_norm)

    loop.run(2, itself, unscale=True)
    assert max(norms) > 0.1


def test_a_scale_of_zero_is_no_error():
    weight, clip = parameter(1.0), ClipNorm(1.0)
    scaler = GradScaler("cpu")
    scaler.scale(torch.ones(1))
    scaler._scale.zero_()
    weight.grad.fill_(math.nan)
    assert clip([weight], scaler=scaler).skipped


def test_after_the_step_is_too_late():
    loop, clip = Loop(2.0), AutoClip()
    loop.optimizer.zero_grad()
    loop.scaler.scale(loop.model(torch.ones(4)).sum()).backward()
    loop.scaler.step(loop.optimizer)
    with pytest.raises(ValueError, match=r"before scaler.step\(optimizer\)"):
        clip(loop.model, scaler=loop.scaler)


# --- Standing still ---------------------------------------------------------


def test_many_skipped_steps_in_a_row_are_said_once_and_again_after_a_good_one():
    clip = AutoClip()
    bad, good = [parameter(math.nan)], [parameter(1.0)]

    def poison(times: int) -> int:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(times):
                bad[0].grad.fill_(math.nan)
                clip(bad)
        assert all(w.category is SkippedStepsWarning for w in caught)
        return len(caught)

    assert poison(24) == 0
    clip(good)
    assert poison(24) == 0
    assert poison(100) == 1
    clip(good)
    assert poison(25) == 1
    assert clip.skipped_steps == 24 + 24 + 100 + 25


def test_standing_still_can_be_made_an_error():
    clip = ClipNorm(1.0)
    weight = parameter(math.inf)
    for _ in range(24):
        weight.grad.fill_(math.inf)
        clip([weight])
    weight.grad.fill_(math.inf)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SkippedStepsWarning)
        with pytest.raises(SkippedStepsWarning, match="25 steps in a row"):
            clip([weight])


# --- Attached to an optimizer -----------------------------------------------


def quadratic(*start: float, kind=torch.optim.SGD, **options):
    weight = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    return weight, kind([weight], **{"lr": 0.1, **options})


def step(weight, optimizer) -> None:
    optimizer.zero_grad()
    weight.pow(2).sum().div(2).backward()
    optimizer.step()


def test_an_attachment_clips_every_step_until_it_is_removed():
    weight, optimizer = quadratic(3.0, 4.0, lr=1.0)
    clip = ClipNorm(1.0)
    attachment = clip.attach(optimizer)
    step(weight, optimizer)
    assert attachment.report.grad_norm == 5
    torch.testing.assert_close(weight.data, torch.tensor([2.4, 3.2]).double())
    attachment.remove()
    attachment.remove()
    step(weight, optimizer)
    assert torch.equal(weight.data, torch.zeros(2).double())
    with clip.attach(optimizer):
        pass
    clip([parameter(1.0)])  # free again


def test_parameters_that_come_later_are_clipped_too():
    weight, optimizer = quadratic(3.0)
    clip = AutoClip()
    clip.attach(optimizer)
    step(weight, optimizer)
    later = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer.add_param_group({"params": [later]})
    weight.grad = torch.tensor([3.0]).double()
    later.grad = torch.tensor([4.0]).double()
    optimizer.step()
    assert clip.history.tolist() == [3, 5]


def test_an_attachment_clips_once():
    weight, optimizer = quadratic(3.0)
    _, other = quadratic(1.0)
    clip = AutoClip()
    attachment = clip.attach(optimizer)
    with pytest.raises(ValueError, match="one optimizer, got a second"):
        clip.attach(other)
    with pytest.raises(ValueError, match="one optimizer, got a second"):
        clip.attach(optimizer)
    with pytest.raises(ValueError, match="attached already"):
        AutoClip().attach(optimizer)
    with pytest.raises(RuntimeError, match="is attached to an optimizer"):
        clip([weight])
    assert clip.history.size == 0
    attachment.remove()
    AutoClip().attach(optimizer)


def test_a_clipper_outlives_its_optimizer():
    weight, optimizer = quadratic(3.0)
    clip = AutoClip()
    first = clip.attach(optimizer)
    step(weight, optimizer)
    del optimizer
    gc.collect()
    clip([parameter(1.0)])
    weight, optimizer = quadratic(2.0)
    second = clip.attach(optimizer)
    step(weight, optimizer)
    assert clip.history.tolist() == [3, 1, 2]
    first.remove()
    step(weight, optimizer)
    assert clip.history.size == 4
    second.remove()


@pytest.mark.parametrize("keyword", [True, False])
def test_a_closure_is_clipped_when_it_returns(keyword):
    weight, optimizer = quadratic(3.0, 4.0, lr=1.0)
    clip = ClipNorm(1.0)
    clip.attach(optimizer)

    def closure():
        optimizer.zero_grad()
        loss = weight.pow(2).sum().div(2)
        loss.backward()
        return loss

    loss = optimizer.step(closure=closure) if keyword else optimizer.step(closure)
    assert loss.item() == 12.5
    torch.testing.assert_close(weight.data, torch.tensor([2.4, 3.2]).double())


def test_an_optimizer_that_asks_for_several_gradients_is_refused():
    weight, lbfgs = quadratic(1.0, kind=torch.optim.LBFGS)
    with pytest.raises(TypeError, match="LBFGS"):
        AutoClip().attach(lbfgs)

    class Twice(torch.optim.SGD):
        def step(self, closure=None):
            closure()
            closure()

    optimizer = Twice([weight], lr=0.1)
    AutoClip().attach(optimizer)
    with pytest.raises(RuntimeError, match="Twice calls its closure several times"):
        optimizer.step(lambda: weight.sum().backward())


def test_a_wrapped_optimizer_is_clipped_inside():
    weight, optimizer = quadratic(3.0)

    class Wrapper:
        def __init__(self, optimizer):
            self.optimizer = optimizer

    clip = AutoClip()
    clip.attach(Wrapper(optimizer))
    step(weight, optimizer)
    assert clip.history.tolist() == [3]
    with pytest.raises(TypeError, match=r"optimizer must be .* got Linear"):
        AutoClip().attach(nn.Linear(1, 1))


def test_a_copy_is_attached_to_nothing():
    weight, optimizer = quadratic(3.0)
    clip = AutoClip()
    clip.attach(optimizer)
    step(weight, optimizer)
    other = copy.deepcopy(clip)
    other([parameter(2.0)])
    assert other.history.tolist() == [3, 2]
    assert clip.history.tolist() == [3]


def test_a_schedule_and_a_state_do_not_detach():
    weight, optimizer = quadratic(3.0)
    clip = AutoClip()
    clip.attach(optimizer)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    for _ in range(3):
        step(weight, optimizer)
        schedule.step()
    optimizer.load_state_dict(optimizer.state_dict())
    clip.load_state_dict(clip.state_dict())
    step(weight, optimizer)
    assert clip.history.size == 4


# --- Optimizers of other makes ----------------------------------------------


class Derived(torch.optim.SGD):
    """Its step calls that of its base class, and PyTorch calls hooks for both."""

    def step(self, closure=None):
        return super().step(closure)


class Lookahead(torch.optim.Optimizer):
    """A wrapper that is an optimizer itself, with the parameters of the inner one."""

    def __init__(self, inner):
        super().__init__(inner.param_groups, {})
        self.optimizer = inner

    def step(self, closure=None):
        return self.optimizer.step(closure)


def test_a_step_within_a_step_is_clipped_once():
    weight = quadratic(3.0, 4.0)[0]  # and so has an optimizer of the base class
    optimizer, clip = Derived([weight], lr=0.0), AutoClip(100)
    clip.attach(optimizer)
    for _ in range(3):
        step(weight, optimizer)
    optimizer.step(lambda: weight.pow(2).sum().div(2).backward())
    with pytest.raises(ZeroDivisionError):
        optimizer.step(lambda: 1 / 0)
    step(weight, optimizer)  # what ended in an error is over
    assert clip.history.tolist() == [5, 5, 5, 10, 5]


def test_what_a_step_takes_besides_a_closure_is_none():
    class Flagged(torch.optim.SGD):
        def step(self, zero_grad=False):
            assert zero_grad is True
            return super().step()

    weight = parameter(3.0)
    optimizer, clip = Flagged([weight], lr=0.1), AutoClip()
    clip.attach(optimizer)
    optimizer.step(True)
    assert clip.history.tolist() == [3]


def test_a_wrapper_with_parameters_of_its_own_is_refused():
    class Hybrid(torch.optim.SGD):
        def __init__(self, own, others):
            super().__init__([own], lr=0.1)
            self.optimizer = torch.optim.SGD([others], lr=0.1)

    class Hookless(torch.optim.Optimizer):
        def __init__(self, optim):
            self.optim = optim

        param_groups = property(lambda self: self.optim.param_groups)

    with pytest.raises(ValueError, match=r"no other parameters than .* Hybrid around"):
        AutoClip().attach(Hybrid(parameter(1.0), parameter(2.0)))
    with pytest.raises(TypeError, match="calls hooks before its steps, got Hookless"):
        AutoClip().attach(Hookless(quadratic(1.0)[1]))


@pytest.mark.parametrize("way", ["called", "told", "told of it", "attached"])
def test_a_wrapper_may_be_what_the_scaler_is_given(way):
    loop = Loop(2.0**30, kind=Derived)
    inner, clip = loop.optimizer, AutoClip(100)
    loop.optimizer = Lookahead(inner)
    if way == "attached":
        clip.attach(loop.optimizer)

    def clip_with(loop):
        if way == "called":
            clip(loop.model)
        elif way == "told":
            clip(loop.model, scaler=loop.scaler)
        elif way == "told of it":
            clip(loop.optimizer, scaler=loop.scaler)

    loop.run(5, clip_with, unscale=way != "attached")
    plain, alone = AutoClip(100), Loop(1.0, enabled=False)
    alone.run(5, lambda loop: plain(loop.model))
    np.testing.assert_allclose(clip.history, plain.history, rtol=1e-5)


def test_an_optimizer_may_be_replaced_while_the_old_one_lives():
    loop, clip = Loop(2.0**10), AutoClip()
    loop.run(16, lambda loop: clip(loop.model), unscale=True)
    old = loop.optimizer
    loop.optimizer = torch.optim.SGD(loop.model.parameters(), lr=0.01)
    loop.run(3, lambda loop: clip(loop.model), unscale=True)
    loop.scaler.update(3e38)  # the next step overflows
    loop.run(1, lambda loop: clip(loop.model), unscale=True)
    assert clip.history.size == 19
    assert clip.skipped_steps == 1
    del old


def test_clippers_of_two_halves_listen_to_one_optimizer():
    earlier = Loop(2.0)  # a scaler that has served another network, and is left
    earlier.run(2, lambda _: None)
    weights = [parameter(3.0), parameter(4.0)]
    optimizer = torch.optim.SGD(weights, lr=0.0)
    clips = [AutoClip(), AutoClip()]
    seen = []
    for _ in range(3):
        for clip, weight in zip(clips, weights, strict=True):
            clip([weight])
        optimizer.register_step_pre_hook(lambda *_: seen.append("other"))
        optimizer.step()
    assert [clip.history.tolist() for clip in clips] == [[3, 3, 3], [4, 4, 4]]
    assert len(seen) == 6


def test_an_optimizer_that_another_steps_before_is_heard():
    served, other = Loop(2.0), quadratic(1.0)
    served.run(1, lambda _: None)  # its scaler is older than the clipper
    clip = AutoClip()

    def clip_both(loop):
        clip([*loop.model.parameters(), other[0]])
        other[1].step()

    other[0].grad = torch.ones(1).double()
    with pytest.raises(RuntimeError, match=ADVICE):
        served.run(3, clip_both)
    assert clip.history.size == 1


def test_an_optimizer_that_comes_after_the_first_call_is_heard():
    served = Loop(2.0)
    served.run(1, lambda _: None)
    del served.optimizer  # its parameters are nobody's when the clipper is called
    gc.collect()
    clip = AutoClip()
    loss = served.model(torch.ones(1, 4)).sum()
    served.scaler.scale(loss).backward()
    clip(served.model)
    served.optimizer = torch.optim.SGD(served.model.parameters(), lr=0.01)
    with pytest.raises(RuntimeError, match=ADVICE):
        served.run(3, lambda loop: clip(loop.model))


def test_clippers_that_are_gone_leave_one_hook():
    earlier = Loop(2.0)
    earlier.run(2, lambda _: None)
    weight, optimizer = quadratic(1.0)
    for _ in range(5):
        weight.grad = torch.ones(1).double()
        AutoClip()([weight])
    assert len(optimizer._optimizer_step_pre_hooks) == 1


def test_threads_may_step_one_optimizer():
    weight = quadratic(1.0)[0]
    optimizer, clip = Derived([weight], lr=0.0), AutoClip()
    clip.attach(optimizer)
    weight.grad = torch.ones(1).double()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: optimizer.step(), range(40)))
    optimizer.step()
    assert clip.history.size == 41


def test_a_program_without_a_name_is_warned():
    with pytest.warns(SkippedStepsWarning):
        exec(
            "for _ in range(25): clip([parameter(math.nan)])",
            {"clip": AutoClip(), "parameter": parameter, "math": math},
        )


def test_every_clipper_warns_and_names_the_line_that_clips():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for clip in (AutoClip(), AutoClip(), ClipNorm(1.0)):
            for _ in range(30):
                clip([parameter(math.nan)])
        weight = parameter(math.nan)
        optimizer = torch.optim.SGD([weight], lr=0.1)
        AutoClip().attach(optimizer)
        for _ in range(30):
            weight.grad.fill_(math.nan)
            optimizer.step()
    assert [warning.filename for warning in caught] == [__file__] * 4
    lines = [linecache.getline(__file__, warning.lineno) for warning in caught]
    assert [line.strip() for line in lines] == [
        *["clip([parameter(math.nan)])"] * 3,
        "optimizer.step()",
    ]
    assert all(warning.category is SkippedStepsWarning for warning in caught)
