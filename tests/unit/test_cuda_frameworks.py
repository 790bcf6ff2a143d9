"""AutoClip inside the frameworks on a GPU, in float16 with their own scalers.

Without a GPU no framework sets up a scaler of its own: `test_frameworks` gives them
one. Here they have theirs, and the losses make it overflow in the first steps. What
was tried, and on what, is on the recipes page. After a change:

    python tests/unit/test_cuda_frameworks.py --record
"""

import numpy as np
import pytest
import torch
import torch.distributed as dist
from test_frameworks import (  # noqa: F401 (fixtures)
    accelerated,
    accelerator,
    batches,
    by_hand,
    callback,
    check_overflow_was_the_scalers,
    first_norm,
    hugging,
    line,
    prepared,
    same_weights,
    trainer,
    unit,
)
from torch import nn
from torch.distributed.fsdp import fully_shard
from tried import Table

from descent.clipping import AutoClip

THERE = torch.cuda.is_available()
on_a_gpu = pytest.mark.skipif(not THERE, reason="needs a GPU")
TABLE = Table(
    "frameworks_gpu",
    __file__,
    torch.cuda.get_device_name() if THERE else "none",
)


def tried(framework: str, what: str):
    """Enter a test, which needs a GPU, into the table."""
    enter = TABLE.row(framework, what)
    return lambda test: on_a_gpu(enter(test))


# The packages warn of each other and of this machine.
pytestmark = pytest.mark.filterwarnings("ignore")

# The scale that every scaler begins with.
SCALE = 2.0**16


@tried("Lightning", "16-mixed, whose scaler overflows: plain, fused, capturable")
@pytest.mark.parametrize("capturable", [False, True])
@pytest.mark.parametrize("fused", [False, True])
def test_lightning_moves_as_without_the_callback(trainer, capturable, fused):  # noqa: F811
    def trained(ours):
        module = line(fused)
        made = trainer(
            ours, accelerator="gpu", devices=1, precision="16-mixed", max_epochs=30
        )
        made.fit(module, batches(40))
        return module, made.precision_plugin.scaler.get_scale()

    without, scale = trained(None)
    ours = callback(percentile=100, capturable=capturable)
    module, scale_too = trained(ours)
    scales = scale, scale_too
    check_overflow_was_the_scalers(ours, module, without, scales, initial=SCALE)


@tried("Lightning", "16-mixed, checkpoint and resume")
def test_lightning_resumes_on_the_gpu(trainer, tmp_path):  # noqa: F811
    settings = {"accelerator": "gpu", "devices": 1, "precision": "16-mixed"}
    straight, first, second = callback(), callback(), callback()
    modules = [line(), line(), line()]
    trainer(straight, max_epochs=4, **settings).fit(modules[0], batches())
    one = trainer(first, max_epochs=3, **settings)
    one.fit(modules[1], batches())
    one.save_checkpoint(tmp_path / "line.ckpt")
    trainer(second, max_epochs=4, **settings).fit(
        modules[2], batches(), ckpt_path=tmp_path / "line.ckpt"
    )
    assert np.array_equal(second.clips[0].thresholds, straight.clips[0].thresholds)
    assert same_weights(modules[2], modules[0])


@tried(
    "Accelerate", "fp16, whose scaler overflows: attached and called; a fused optimizer"
)
@pytest.mark.parametrize("attached", [True, False])
@pytest.mark.parametrize("fused", [False, True])
def test_accelerate_moves_as_without_clipping(accelerator, attached, fused):  # noqa: F811
    def trained(clip):
        made = accelerator(cpu=False, mixed_precision="fp16")
        parts = prepared(made, 40, fused)
        if clip is not None and attached:
            clip.attach(parts[1])
        accelerated(made, parts, None if attached else clip, epochs=30)
        return parts[0], made.scaler.get_scale()

    clip = AutoClip(100)
    with_clip, without = trained(clip), trained(None)
    assert with_clip[1] == without[1] < SCALE
    assert same_weights(with_clip[0], without[0])
    assert clip.history[0] == pytest.approx(first_norm(), rel=1e-2)


@tried("transformers' Trainer", "fp16, whose scaler overflows, and bf16")
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_the_trainer_logs_the_norms_that_the_history_holds(hugging, precision):  # noqa: F811
    made, ours = hugging(
        20,
        use_cpu=False,
        logging_steps=1,
        logging_nan_inf_filter=False,
        **{precision: True},
    )
    made.train()
    logged = [row["grad_norm"] for row in made.state.log_history if "grad_norm" in row]
    logged = [norm for norm in logged if np.isfinite(norm)]
    np.testing.assert_allclose(ours.clip.history, logged, rtol=1e-5)
    assert (len(logged) < 80) == (precision == "fp16")  # that one's scale overflows
    assert ours.clip.clipped_share > 0


@tried("PyTorch", "a compiled network, a capturable optimizer, attached")
def test_a_compiled_training_clips_as_one_that_is_not():
    def trained(compiled: bool):
        model, clip = unit().cuda(), AutoClip(30)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1, capturable=True)
        clip.attach(optimizer)
        forward = torch.compile(model) if compiled else model
        for _ in range(3):
            for x, y in batches():
                optimizer.zero_grad()
                (forward(x.cuda()) - y.cuda()).abs().mean().backward()
                optimizer.step()
        return model, clip

    (model, clip), (other, expected) = trained(True), trained(False)
    np.testing.assert_allclose(clip.history, expected.history, rtol=1e-4)
    torch.testing.assert_close(model.weight, other.weight)


@pytest.fixture
def one_rank():
    """The only process of a training that is spread over GPUs."""
    dist.init_process_group("nccl", rank=0, world_size=1, store=dist.HashStore())
    yield
    dist.destroy_process_group()


@tried("PyTorch", "fully_shard (FSDP2) over NCCL, one process")
def test_shards_on_the_gpu_clip_as_a_loop_by_hand(one_rank):
    plain, clip = AutoClip(30), AutoClip(30)
    expected = by_hand(plain, epochs=2)
    model = fully_shard(nn.Sequential(unit().cuda()))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(2):
        for x, y in batches():
            optimizer.zero_grad()
            (model(x.cuda()) - y.cuda()).abs().mean().backward()
            clip(model)
            optimizer.step()
    np.testing.assert_allclose(clip.history, plain.history, rtol=1e-5)
    for one, other in zip(model.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(one.full_tensor().cpu(), other)


def test_the_record_is_of_these_tests():
    TABLE.agrees()


if __name__ == "__main__":
    TABLE.main()
