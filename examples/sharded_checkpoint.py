"""AutoClip in a checkpoint of torch.distributed.checkpoint, as sharded models have it.

Run with: python examples/sharded_checkpoint.py FOLDER
"""

import sys

import torch
import torch.distributed.checkpoint as dcp
from torch import nn

from descent.clipping import AutoClip


class Whole:
    """A clipper for `dcp`, which would load a tensor only into one of its size."""

    def __init__(self, clip: AutoClip) -> None:
        self.clip = clip

    def state_dict(self):
        state = self.clip.state_dict()
        return state | {"norms": state["norms"].tolist()}

    def load_state_dict(self, state):
        norms = torch.tensor(state["norms"], dtype=torch.float64)
        self.clip.load_state_dict(state | {"norms": norms})


if __name__ == "__main__":
    folder = sys.argv[1]
    model, clip = nn.Linear(16, 1), AutoClip(percentile=10)
    for _step in range(20):
        model.zero_grad()
        model(torch.randn(8, 16)).abs().mean().backward()
        clip(model)
    saved = {"model": model.state_dict(), "clip": Whole(clip)}
    # One process here; several have the same history, and save it once.
    dcp.save(saved, checkpoint_id=folder, no_dist=True)

    resumed = AutoClip()
    dcp.load({"clip": Whole(resumed)}, checkpoint_id=folder, no_dist=True)
    same = (resumed.history == clip.history).all()
    print(f"{len(resumed.history)} norms, the same: {same}")
