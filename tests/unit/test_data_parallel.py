"""AutoClip over two real processes: all ranks decide alike, and as one would."""

import socket

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from descent.clipping import AutoClip, global_norm

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
    try:
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
    finally:
        dist.destroy_process_group()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("kind", ["ddp", "fsdp2"])
def test_two_ranks_decide_alike_and_as_one_process_would(kind, tmp_path):
    mp.spawn(rank_main, (free_port(), kind, str(tmp_path)), nprocs=RANKS)
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
