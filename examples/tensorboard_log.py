"""Loss, gradient norm and threshold in TensorBoard.

Run with: python examples/tensorboard_log.py FOLDER
then: tensorboard --logdir FOLDER (both need the package tensorboard)
"""

import sys

import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from descent.clipping import AutoClip
from descent.line import draw_line
from descent.seeds import set_seed

data = draw_line(set_seed(0))
model = nn.Linear(1, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
clip = AutoClip(percentile=10)

with SummaryWriter(sys.argv[1]) as log:
    for step in range(50):
        batch = torch.randint(0, 100, (10,))
        optimizer.zero_grad()
        loss = (model(data.x[batch]) - data.y[batch]).abs().mean()
        loss.backward()
        report = clip(model.parameters())
        optimizer.step()
        log.add_scalar("loss", loss.item(), step)
        log.add_scalar("gradient/norm", report.grad_norm, step)
        log.add_scalar("gradient/threshold", report.threshold, step)
print(f"{clip.clipped_share:.0%} of the steps were clipped")
