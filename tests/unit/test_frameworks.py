"""AutoClip inside the frameworks that people train with, as the recipes page shows it.

What is tried here, and with which versions, is the table of that page. After a change:

    python tests/unit/test_frameworks.py --record
"""

import functools
import importlib.util
import inspect
import platform
import re
import subprocess
import sys
from pathlib import Path

import forked
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from tried import Table

from descent.clipping import AutoClip, global_norm
from descent.recorded import load

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"

# The packages warn of each other and of this machine.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

TABLE = Table(
    "frameworks", __file__, f"{platform.system()} {platform.machine()}, without a GPU"
)
tried = TABLE.row


@pytest.fixture(scope="module", autouse=True)
def libraries() -> None:
    packages = "lightning", "accelerate", "transformers.trainer"
    forked.preload("torch._dynamo", "torch.utils.tensorboard", *packages)


@functools.cache
def example(name: str):
    """Return a program of the recipes page as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


X = torch.linspace(-10, 10, 40).reshape(-1, 1)
Y = 1.76 * X + 0.4


def batches(size: int = 10) -> DataLoader:
    return DataLoader(TensorDataset(X, Y), batch_size=size)


def unit(weight: float = 0.0) -> nn.Linear:
    """The smallest network, always with the same weights."""
    model = nn.Linear(1, 1)
    with torch.no_grad():
        model.weight.fill_(weight)
        model.bias.zero_()
    return model


def by_hand(clip: AutoClip, epochs: int, size: int = 10, weight: float = 0.0):
    """Train without any framework; return the network."""
    model = unit(weight)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(epochs):
        for x, y in batches(size):
            optimizer.zero_grad()
            (model(x) - y).abs().mean().backward()
            clip(model.parameters())
            optimizer.step()
    return model


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


# --- PyTorch


class Overflowing:
    """A loss whose scaled gradients overflow until the scale has come down."""

    def __init__(self, fused: bool = False) -> None:
        self.model = unit()
        kind = torch.optim.Adam
        self.optimizer = kind(self.model.parameters(), lr=0.1, fused=fused)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**24)

    def backward(self) -> None:
        self.optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.float16):
            output = self.model(X)
        loss = (output.float() - Y).abs().mean()
        self.scaler.scale(loss).backward()

    def step(self) -> None:
        self.scaler.step(self.optimizer)
        self.scaler.update()


def first_norm() -> float:
    """Return the norm of the first step: nothing has moved before it."""
    model = unit()
    (model(X) - Y).abs().mean().backward()
    return global_norm(model.parameters())


@tried(
    "PyTorch", "float16 with a GradScaler that meets overflow: unscaled, told, attached"
)
@pytest.mark.parametrize("way", ["unscaled", "told", "attached", "attached, fused"])
def test_overflow_reaches_the_scaler_and_norms_are_those_of_gradients(way):
    training = Overflowing(fused=way.endswith("fused"))
    clip = AutoClip(100)
    if way.startswith("attached"):
        clip.attach(training.optimizer)
    for _ in range(30):
        training.backward()
        if way == "unscaled":
            training.scaler.unscale_(training.optimizer)
            clip(training.model.parameters())
        elif way == "told":
            clip(training.model.parameters(), scaler=training.scaler)
        training.step()
    alone = Overflowing(fused=way.endswith("fused"))
    for _ in range(30):
        alone.backward()
        alone.step()
    assert training.scaler.get_scale() == alone.scaler.get_scale() < 2.0**24
    assert same_weights(training.model, alone.model)
    assert clip.history[0] == pytest.approx(first_norm(), rel=1e-2)


@tried("PyTorch", "a second training with a scaler of its own in one program")
def test_the_scaler_of_an_earlier_training_is_no_suspect():
    earlier = Overflowing()
    for _ in range(2):
        earlier.backward()
        earlier.step()
    training, clip = Overflowing(), AutoClip()
    training.backward()
    training.scaler.unscale_(training.optimizer)
    assert clip(training.model.parameters()).skipped
    training.step()
    assert training.scaler.get_scale() == 2.0**23
    assert earlier.scaler.get_scale() == 2.0**22


@tried("PyTorch", "bfloat16 without a scaler")
def test_bfloat16_needs_no_scaler():
    model, clip = unit(), AutoClip(100)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(X)
    (output.float() - Y).abs().mean().backward()
    assert clip(model).grad_norm == pytest.approx(first_norm(), rel=2e-2)


@tried("PyTorch", "an optimizer that is given a closure, attached")
def test_the_gradient_that_a_closure_computes_is_clipped():
    plain, model = AutoClip(), unit()
    expected = by_hand(plain, epochs=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    clip = AutoClip()
    clip.attach(optimizer)
    for x, y in batches():

        def closure(x=x, y=y):
            optimizer.zero_grad()
            loss = (model(x) - y).abs().mean()
            loss.backward()
            return loss

        optimizer.step(closure)
    assert np.array_equal(clip.history, plain.history)
    assert same_weights(model, expected)


@tried("PyTorch", "DistributedDataParallel on two processes")
def test_ranks_report_the_same_norm_and_threshold(tmp_path):
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [sys.executable, *torchrun, str(EXAMPLES / "data_parallel.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = re.findall(r"norm [\d.]+, threshold [\d.]+", done.stdout)
    assert first == second


@tried("PyTorch", "torch.distributed.checkpoint, saved and loaded into a new clipper")
def test_a_sharded_checkpoint_holds_the_history(tmp_path):
    said = forked.run(
        EXAMPLES / "sharded_checkpoint.py", tmp_path / "saved", folder=tmp_path
    )
    assert said.splitlines()[-1] == "20 norms, the same: True"


# --- The programs of the recipes page, run as it says


@pytest.mark.parametrize(
    "name", ["lightning_callback", "accelerate_loop", "trainer_callback"]
)
def test_frameworks_clip_some_of_twenty_steps(name, tmp_path):
    said = forked.run(EXAMPLES / f"{name}.py", tmp_path, folder=tmp_path)
    steps, share = re.search(r"(\d+) steps, (\d+)% of them clipped", said).groups()
    assert int(steps) == 20
    assert 0 < int(share) < 100


def test_tensorboard_reads_back_what_was_written(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = tmp_path / "log"
    forked.run(EXAMPLES / "tensorboard_log.py", log, folder=tmp_path)
    events = EventAccumulator(str(log))
    events.Reload()
    loss, norms, thresholds = (
        [event.value for event in events.Scalars(tag)]
        for tag in ("loss", "gradient/norm", "gradient/threshold")
    )
    assert len(loss) == len(norms) == len(thresholds) == 50
    assert loss[-1] < loss[0]
    # Every threshold lies between the smallest and the largest norm so far.
    for step, threshold in enumerate(thresholds):
        seen = norms[: step + 1]
        assert min(seen) * 0.999 <= threshold <= max(seen) * 1.001


# --- Lightning


@pytest.fixture
def trainer(tmp_path):
    """Make a Lightning trainer that says nothing and leaves nothing."""
    lightning = pytest.importorskip("lightning")

    def make(callback=None, **settings):
        return lightning.Trainer(
            **{"max_epochs": 2, "accelerator": "cpu", "logger": False} | settings,
            callbacks=[] if callback is None else [callback],
            default_root_dir=tmp_path,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )

    return make


def line(fused: bool = False):
    """Return the example's module, with the weights and the optimizer of `by_hand`."""
    base = example("lightning_callback").Line

    class Line(base):
        def __init__(self) -> None:
            super().__init__()
            self.unit = unit()

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=0.1, fused=fused)

    return Line()


def callback(**settings):
    return example("lightning_callback").AutoClipCallback(**settings)


@tried("Lightning", "all of AutoClip's settings")
def test_lightning_takes_all_settings_and_clips_as_a_loop_by_hand(trainer):
    settings = {"percentile": 25, "window": 5, "warmup": 2, "ceiling": 4.0}
    plain, ours, module = AutoClip(**settings), callback(**settings), line()
    expected = by_hand(plain, epochs=2)
    trainer(ours).fit(module, batches())
    (clip,) = ours.clips
    assert np.array_equal(clip.thresholds, plain.thresholds)
    assert same_weights(module.unit, expected)
    with pytest.raises(ValueError, match="percentile"):
        callback(percentile=101)


@tried("Lightning", "several optimizers in manual optimization, one history each")
def test_lightning_has_a_history_for_every_optimizer(trainer):
    import lightning

    class Two(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.a, self.b = unit(), unit(1.0)

        def training_step(self, batch, index):
            x, y = batch
            pairs = zip((self.a, self.b), (100, 1), self.optimizers(), strict=True)
            for model, factor, optimizer in pairs:
                optimizer.zero_grad()
                self.manual_backward(factor * (model(x) - y).abs().mean())
                optimizer.step()

        def configure_optimizers(self):
            return [
                torch.optim.Adam(model.parameters(), lr=0.1)
                for model in (self.a, self.b)
            ]

    two, ours = Two(), callback()
    trainer(ours).fit(two, batches())
    a, b = ours.clips
    assert len(a.history) == 8
    alone = AutoClip()
    expected = by_hand(alone, epochs=2, weight=1.0)
    # The other network's norms, a hundred times as large, do not come near it.
    assert np.array_equal(b.history, alone.history)
    assert same_weights(two.b, expected)


@tried("Lightning", "accumulated gradients")
def test_lightning_clips_accumulated_gradients_once(trainer):
    plain, ours, module = AutoClip(), callback(), line()
    expected = by_hand(plain, epochs=2, size=20)
    trainer(ours, accumulate_grad_batches=2).fit(module, batches())
    (clip,) = ours.clips
    np.testing.assert_allclose(clip.history, plain.history, rtol=1e-5)
    for one, other in zip(module.unit.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def check_overflow_was_the_scalers(ours, module, without, scales, initial) -> None:
    """With a callback that never clips a training moves as without it."""
    assert scales[0] == scales[1] < initial
    assert module.unit.weight.item() != 0
    assert same_weights(module, without)
    # Norms of gradients, not of scales; and none of the steps that overflowed.
    (clip,) = ours.clips
    assert clip.history[0] == pytest.approx(first_norm(), rel=1e-2)
    assert 5 < len(clip.history) < 30


@tried("Lightning", "16-mixed with overflow, also with a fused optimizer")
@pytest.mark.parametrize("fused", [False, True])
def test_lightning_in_float16_moves_as_without_the_callback(trainer, fused):
    from lightning.pytorch.plugins.precision import MixedPrecision

    def trained(ours):
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**24)
        precision = MixedPrecision("16-mixed", "cpu", scaler=scaler)
        module = line(fused)
        made = trainer(ours, plugins=[precision], max_epochs=30)
        made.fit(module, batches(40))
        return module, scaler.get_scale()

    without, scale = trained(None)
    ours = callback(percentile=100)
    module, scale_too = trained(ours)
    scales = scale, scale_too
    check_overflow_was_the_scalers(ours, module, without, scales, initial=2.0**24)


@tried("Lightning", "checkpoint and resume")
def test_lightning_resumes_with_the_history(trainer, tmp_path):
    straight, first, second = callback(), callback(), callback()
    modules = [line(), line(), line()]
    trainer(straight).fit(modules[0], batches())
    one = trainer(first, max_epochs=1)
    one.fit(modules[1], batches())
    one.save_checkpoint(tmp_path / "line.ckpt")
    trainer(second).fit(modules[2], batches(), ckpt_path=tmp_path / "line.ckpt")
    assert np.array_equal(second.clips[0].thresholds, straight.clips[0].thresholds)
    assert same_weights(modules[2], modules[0])


@tried("Lightning", "gradient_clip_val beside it is refused")
def test_lightning_does_not_clip_twice(trainer):
    with pytest.raises(ValueError, match="gradient_clip_val"):
        trainer(callback(), gradient_clip_val=1.0).fit(line(), batches())


def test_lightning_lets_go_of_the_optimizer(trainer):
    ours, module = callback(), line()
    trainer(ours).fit(module, batches())
    steps = len(ours.clips[0].history)
    trainer(ours).fit(module, batches())  # may be attached again
    assert len(ours.clips[0].history) == 2 * steps

    module.training_step = lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        trainer(ours).fit(module, batches())
    assert ours.attached == []


# --- Accelerate


@pytest.fixture
def accelerator():
    """Make an accelerator; its state is global, and forgotten at the end."""
    accelerate = pytest.importorskip("accelerate")
    from accelerate.state import AcceleratorState

    def make(**settings):
        AcceleratorState._reset_state(reset_partial_state=True)
        return accelerate.Accelerator(**{"cpu": True} | settings)

    yield make
    AcceleratorState._reset_state(reset_partial_state=True)


def prepared(accelerator, size: int = 10, fused: bool = False):
    model = unit()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, fused=fused)
    return accelerator.prepare(model, optimizer, batches(size))


def accelerated(accelerator, parts, clip=None, epochs: int = 2) -> None:
    """Train; with a clipper that is not attached, clip as the page says."""
    model, optimizer, data = parts
    for _ in range(epochs):
        for x, y in data:
            with accelerator.accumulate(model):
                accelerator.backward((model(x) - y).abs().mean())
                if clip is not None and accelerator.sync_gradients:
                    accelerator.unscale_gradients()
                    clip(model.parameters())
                optimizer.step()
                optimizer.zero_grad()


@tried("Accelerate", "accumulated gradients, attached and called")
@pytest.mark.parametrize("attached", [True, False])
def test_accelerate_clips_accumulated_gradients_once(accelerator, attached):
    plain, clip = AutoClip(), AutoClip()
    by_hand(plain, epochs=2, size=20)
    made = accelerator(gradient_accumulation_steps=2)
    parts = prepared(made)
    if attached:
        clip.attach(parts[1])
    accelerated(made, parts, None if attached else clip)
    np.testing.assert_allclose(clip.history, plain.history, rtol=1e-5)


@tried(
    "Accelerate", "a float16 scaler that meets overflow, also with a fused optimizer"
)
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("attached", [True, False])
def test_accelerate_with_a_scaler_moves_as_without_clipping(
    accelerator, attached, fused
):
    def trained(clip):
        made = accelerator()
        # What Accelerate sets up on a GPU only; from here on it is the same code.
        made.state._mixed_precision, made.native_amp = "fp16", True
        made.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**24)
        parts = prepared(made, 40, fused)
        if clip is not None and attached:
            clip.attach(parts[1])
        accelerated(made, parts, None if attached else clip, epochs=30)
        return parts[0], made.scaler.get_scale()

    clip = AutoClip(100)
    with_clip, without = trained(clip), trained(None)
    assert with_clip[1] == without[1] < 2.0**24
    assert same_weights(with_clip[0], without[0])
    assert clip.history[0] == pytest.approx(first_norm(), rel=1e-2)


@tried("Accelerate", "mixed precision with bfloat16")
def test_accelerate_in_bfloat16_gives_norms_of_gradients(accelerator):
    made, clip = accelerator(mixed_precision="bf16"), AutoClip()
    parts = prepared(made, 40)
    clip.attach(parts[1])
    accelerated(made, parts)
    assert clip.history[0] == pytest.approx(first_norm(), rel=2e-2)


@tried("Accelerate", "checkpoint and resume")
def test_accelerate_keeps_the_history_in_its_checkpoint(accelerator, tmp_path):
    straight = AutoClip()
    made = accelerator()
    parts = prepared(made)
    straight.attach(parts[1])
    accelerated(made, parts, epochs=3)

    first = AutoClip()
    made = accelerator()
    parts = prepared(made)
    first.attach(parts[1])
    made.register_for_checkpointing(first)
    accelerated(made, parts, epochs=1)
    made.save_state(tmp_path)

    second = AutoClip(50)
    made = accelerator()
    parts = prepared(made)
    second.attach(parts[1])
    made.register_for_checkpointing(second)
    made.load_state(tmp_path)
    accelerated(made, parts, epochs=2)
    assert np.array_equal(second.thresholds, straight.thresholds)


# --- transformers


@pytest.fixture
def hugging(tmp_path):
    """Make a Trainer of transformers, and its callback."""
    transformers = pytest.importorskip("transformers")
    module = example("trainer_callback")

    def make(epochs: int, **settings):
        model = module.Line()
        model.unit = unit()
        ours = module.AutoClipCallback(percentile=10)
        arguments = transformers.TrainingArguments(
            **{"max_grad_norm": 0, "per_device_train_batch_size": 10, "use_cpu": True}
            | settings,
            output_dir=tmp_path,
            num_train_epochs=epochs,
            learning_rate=0.1,
            lr_scheduler_type="constant",
            save_strategy="epoch",
            report_to="none",
            disable_tqdm=True,
        )
        data = [{"x": x, "y": y} for x, y in zip(X, Y, strict=True)]
        made = transformers.Trainer(
            model, arguments, train_dataset=data, callbacks=[ours]
        )
        return made, ours

    return make


@tried(
    "transformers' Trainer", "its own norm before clipping, and accumulated gradients"
)
def test_the_trainer_logs_the_norms_that_the_history_holds(hugging):
    made, ours = hugging(
        2, gradient_accumulation_steps=2, logging_steps=1, logging_nan_inf_filter=False
    )
    made.train()
    logged = [row["grad_norm"] for row in made.state.log_history if "grad_norm" in row]
    assert len(ours.clip.history) == 4
    np.testing.assert_allclose(ours.clip.history, logged, rtol=1e-5)
    assert ours.clip.clipped_share > 0


@tried("transformers' Trainer", "max_grad_norm beside it, 1.0 by default, is refused")
def test_the_trainer_does_not_clip_first(hugging):
    made, _ = hugging(1, max_grad_norm=1.0)
    with pytest.raises(ValueError, match="max_grad_norm must be 0"):
        made.train()


@tried("transformers' Trainer", "checkpoint and resume")
def test_the_trainer_resumes_with_the_history(hugging):
    made, straight = hugging(3)
    made.train()
    again, resumed = hugging(3)
    again.train(resume_from_checkpoint=str(Path(again.args.output_dir, "checkpoint-8")))
    assert len(resumed.clip.history) == 12
    assert np.array_equal(resumed.clip.thresholds, straight.clip.thresholds)
    assert same_weights(again.model, made.model)


# --- What the chapters say of the frameworks


def test_frameworks_clip_by_default_what_the_chapters_say():
    lightning = pytest.importorskip("lightning")
    transformers = pytest.importorskip("transformers")
    published, recipes = (
        (ROOT / "book" / f"{name}.md").read_text("utf8")
        for name in ("published", "recipes")
    )
    settings = inspect.signature(lightning.Trainer).parameters
    at = transformers.TrainingArguments.max_grad_norm
    assert settings["gradient_clip_val"].default is None
    assert "| Lightning | no | `gradient_clip_val` " in published
    assert f"| Hugging Face's Trainer | at {at} | `max_grad_norm`;" in published
    assert f"By default Lightning clips nothing, the Trainer to {at:g}," in recipes
    assert f"By default the Trainer clips to a norm of {at:g} " in recipes


def test_the_record_is_of_these_tests_and_versions():
    TABLE.agrees()
    # Another Python or machine may run the tests; the record says which one did.
    kept, now = load("frameworks")["versions"], TABLE.versions()
    assert now.items() <= kept.items(), f"versions changed: {TABLE.command}"


if __name__ == "__main__":
    TABLE.main()
