"""AutoClip over real processes: all ranks decide alike, and as one would."""

import json
import math
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from forked import preload
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from descent.clipping import AutoClip, ClipNorm, global_norm

pytestmark = pytest.mark.slow

STEPS, BATCH, RANKS = 12, 8, 2


def network() -> nn.Module:
    # The last layer has one row: of two ranks, one gets nothing of it.
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1)).double()


def batches() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(STEPS, BATCH, 4, generator=generator, dtype=torch.float64)
    return x * torch.linspace(0.5, 3, STEPS, dtype=torch.float64)[:, None, None]


def train(model: nn.Module, data: torch.Tensor) -> tuple[np.ndarray, np.ndarray, list]:
    """Return norms, thresholds and the final weights (as whole tensors)."""
    adam, clip = torch.optim.Adam(model.parameters(), lr=0.02), AutoClip(30)
    for x in data:
        adam.zero_grad()
        (model(x) - x[:, :1] * x[:, 2:3]).pow(2).mean().backward()
        clip(model.parameters())
        adam.step()
    for weight in model.parameters():
        weight.grad *= 1e200  # too large for a sum of squares
    norms = np.append(clip.history, global_norm(model.parameters()) / 1e200)
    weights = [w.detach() for w in model.parameters()]
    weights = [w.full_tensor() if hasattr(w, "full_tensor") else w for w in weights]
    return norms, clip.thresholds, [w.numpy().copy() for w in weights]


def rank_main(rank: int, port: int, kind: str, folder: str) -> None:
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=RANKS)
    share = batches()[:, rank * BATCH // RANKS : (rank + 1) * BATCH // RANKS]
    model = network()
    if kind == "ddp":
        model = DistributedDataParallel(model)
    else:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh("cpu", (RANKS,))
        for layer in (model[0], model[2]):
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
    norms, thresholds, weights = train(model, share)
    np.savez(f"{folder}/{rank}.npz", norms, thresholds, *weights)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module", autouse=True)
def libraries() -> None:
    parallel = "torch.distributed.fsdp", "torch.distributed.tensor.parallel"
    preload("torch._dynamo", *parallel, __name__)


def run_ranks(main: Callable[..., None], arguments: tuple, ranks: int) -> None:
    """Run all ranks, each a process of its own; if one fails, so does this.

    None destroys its process group: that waits for a thread of gloo's, which may wait
    for the interpreter at that time, and for ever.
    """
    mp.start_processes(main, arguments, nprocs=ranks, start_method="forkserver")


@pytest.mark.parametrize("kind", ["ddp", "fsdp2"])
def test_two_ranks_decide_alike_and_as_one_process_would(kind, tmp_path):
    run_ranks(rank_main, (free_port(), kind, str(tmp_path)), RANKS)
    first, second = (
        [array for _, array in sorted(np.load(tmp_path / f"{rank}.npz").items())]
        for rank in range(RANKS)
    )
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one, other)
    norms, thresholds, weights = train(network(), batches())
    assert np.isfinite(norms).all()
    assert (norms[:-1] > thresholds).any(), (
        "nothing was clipped: the test shows nothing"
    )
    for found, expected in zip(first, [norms, thresholds, *weights], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9)


# --- Gradients that are spread in several ways ------------------------------

SHAPES = {
    "rows": (3, 4),
    "columns": (2, 6),
    "both": (5, 3),
    "copies": (4,),
    "own": (7,),
}


def whole_gradients(step: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    return {
        name: torch.randn(shape, generator=generator, dtype=torch.float64) * (1 + step)
        for name, shape in SHAPES.items()
    }


def spread(full: torch.Tensor, name: str, meshes: dict):
    """Return a tensor as this rank has it: a DTensor of one of three kinds, or plain.

    Of three rows over four ranks, one rank has none.
    """
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    if name == "own":
        return full.clone()
    mesh, placements = {
        "rows": (meshes["line"], [Shard(0)]),
        "columns": (meshes["grid"], [Replicate(), Shard(1)]),
        "both": (meshes["grid"], [Shard(0), Shard(1)]),
        "copies": (meshes["line"], [Replicate()]),
    }[name]
    return distribute_tensor(full, mesh, placements)


def begin_rank(rank: int, ranks: int, port: int) -> dict:
    from torch.distributed.device_mesh import init_device_mesh

    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=ranks)
    grid = init_device_mesh("cpu", (ranks // 2, 2), mesh_dim_names=("outer", "inner"))
    return {"line": init_device_mesh("cpu", (ranks,)), "grid": grid}


def spread_main(rank: int, ranks: int, port: int, folder: str) -> None:
    meshes = begin_rank(rank, ranks, port)
    weights = {
        name: nn.Parameter(
            spread(torch.zeros(shape, dtype=torch.float64), name, meshes)
        )
        for name, shape in SHAPES.items()
    }
    clip, reports, lengths = AutoClip(50), [], []
    for step in range(6):
        for name, gradient in whole_gradients(step).items():
            weights[name].grad = spread(gradient, name, meshes)
        if step == 3 and rank == 0:  # one rank only, in a part that only it has
            weights["rows"].grad.to_local()[0, 0] = math.nan
        reports.append(clip(weights.values()))
        wholes = [
            w.grad.full_tensor() if name != "own" else w.grad
            for name, w in weights.items()
        ]
        lengths.append(math.hypot(*(whole.norm().item() for whole in wholes)))
    if rank == 1:
        weights["rows"].grad = None
    without = global_norm(weights.values())
    weights["own"].grad = torch.full((7,), 1.0 + rank, dtype=torch.float64)
    before = weights["columns"].grad.to_local().clone()
    with pytest.raises(ValueError, match="same in all processes"):
        ClipNorm(1e-3)(weights.values())
    untouched = torch.equal(weights["columns"].grad.to_local(), before)
    result = [reports, lengths, clip.skipped_steps, untouched, without]
    Path(f"{folder}/{rank}.json").write_text(json.dumps(result))


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 4])
def test_whatever_is_spread_has_one_norm_and_one_decision(ranks, tmp_path):
    run_ranks(spread_main, (ranks, free_port(), str(tmp_path)), ranks)
    results = [json.loads((tmp_path / f"{i}.json").read_text()) for i in range(ranks)]
    reports, lengths, skipped, untouched, without = results[0]
    for other in results[1:]:
        assert json.dumps(other) == json.dumps(results[0])
    assert skipped == 1
    assert untouched
    # A part that is missing on one rank is missing from the norm of all.
    assert 0 < without < lengths[-1]

    one = AutoClip(50)
    for step, (report, length) in enumerate(zip(reports, lengths, strict=True)):
        gradients = whole_gradients(step)
        weights = [nn.Parameter(torch.zeros_like(g)) for g in gradients.values()]
        for weight, gradient in zip(weights, gradients.values(), strict=True):
            weight.grad = gradient
        if step == 3:
            weights[0].grad[0, 0] = math.nan
            assert one(weights).skipped
            assert report[3]
            assert length == 0
            continue
        expected = one(weights)
        np.testing.assert_allclose(report[:2], expected[:2], rtol=1e-12)
        assert report[2:] == list(expected[2:])
        assert length == pytest.approx(min(expected[:2]), rel=1e-12)


def fsdp1_main(rank: int, port: int) -> None:
    import warnings

    from torch.distributed.fsdp import FullyShardedDataParallel

    begin_rank(rank, RANKS, port)
    for original in (True, False):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = FullyShardedDataParallel(
                nn.Linear(4, 4),
                use_orig_params=original,
                device_id=torch.device("cpu"),
            )
            model(torch.ones(2, 4)).sum().backward()
        clip = AutoClip()
        with pytest.raises(ValueError, match=r"FSDP1.*fully_shard.*clip_grad"):
            clip(model.parameters())
        assert clip.history.size == 0


@pytest.mark.slow
def test_the_older_fsdp_is_refused_with_advice():
    run_ranks(fsdp1_main, (free_port(),), RANKS)


def tensor_parallel_main(rank: int, port: int, folder: str) -> None:
    from torch.distributed.tensor.parallel import (
        ColwiseParallel,
        RowwiseParallel,
        parallelize_module,
    )

    meshes = begin_rank(rank, RANKS, port)
    # The norm layer stays plain; every rank has it whole.
    model = beside_a_plain_layer()
    plan = {"0": ColwiseParallel(), "2": RowwiseParallel()}
    parallelize_module(model, meshes["line"], plan)
    norms, thresholds, weights = train(model, batches())
    np.savez(f"{folder}/{rank}.npz", norms, thresholds, *weights)


def beside_a_plain_layer() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3), nn.LayerNorm(3)
    return nn.Sequential(*layers, nn.Linear(3, 1)).double()


@pytest.mark.slow
def test_tensor_parallel_layers_beside_plain_ones(tmp_path):
    run_ranks(tensor_parallel_main, (free_port(), str(tmp_path)), RANKS)
    expected = train(beside_a_plain_layer(), batches())
    for rank in range(RANKS):
        found = [a for _, a in sorted(np.load(tmp_path / f"{rank}.npz").items())]
        for one, other in zip(found, [*expected[:2], *expected[2]], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9)
