"""AutoClip in a loop with Accelerate: accumulation, checkpoint and resume.

Run with: python examples/accelerate_loop.py FOLDER (needs the package accelerate)
"""

import sys

import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from descent.clipping import AutoClip

x = torch.linspace(-10, 10, 100).reshape(-1, 1)
data = DataLoader(TensorDataset(x, 1.76 * x + 0.4), batch_size=10)
model = nn.Linear(1, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
model, optimizer, data = accelerator.prepare(model, optimizer, data)

clip = AutoClip(percentile=10)
clip.attach(optimizer)  # after prepare()
accelerator.register_for_checkpointing(clip)

for _epoch in range(4):
    for inputs, targets in data:
        with accelerator.accumulate(model):
            loss = (model(inputs) - targets).abs().mean()
            accelerator.backward(loss)
            optimizer.step()  # clips when there is a step
            optimizer.zero_grad()
print(f"{len(clip.history)} steps, {clip.clipped_share:.0%} of them clipped")

accelerator.save_state(sys.argv[1])
accelerator.load_state(sys.argv[1])  # puts the history back, too
