"""AutoClip over several processes.

Run with: torchrun --nproc-per-node 2 examples/data_parallel.py
"""

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from descent.clipping import AutoClip

dist.init_process_group("gloo")  # "nccl" on GPUs
rank = dist.get_rank()

torch.manual_seed(0)
model = DistributedDataParallel(nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
clip = AutoClip(percentile=10)  # one on each rank, and no talk between them

torch.manual_seed(rank)  # each rank has data of its own
for _step in range(20):
    x = torch.randn(8, 16)
    optimizer.zero_grad()
    loss = (model(x) - x.sum(dim=1, keepdim=True)).abs().mean()
    loss.backward()  # averages the gradients over the ranks
    report = clip(model.parameters())
    optimizer.step()

norm, threshold = report.grad_norm, report.threshold
print(f"rank {rank}: norm {norm:.6f}, threshold {threshold:.6f}")
dist.destroy_process_group()
