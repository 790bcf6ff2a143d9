"""AutoClip as a callback of the Trainer of transformers, saved with its checkpoints.

Run with: python examples/trainer_callback.py FOLDER (needs transformers, accelerate)
"""

import sys
from pathlib import Path

import torch
from torch import nn
from transformers import Trainer, TrainerCallback, TrainingArguments

from descent.clipping import AutoClip


class AutoClipCallback(TrainerCallback):
    """Clip the Trainer's optimizer before its steps. Takes the settings of AutoClip."""

    def __init__(self, **settings) -> None:
        self.clip = AutoClip(**settings)
        self.attached = None

    def on_train_begin(self, args, state, control, optimizer=None, **others):
        if args.max_grad_norm:
            raise ValueError(
                "max_grad_norm must be 0, or the Trainer clips first and the history "
                f"holds clipped norms, got {args.max_grad_norm}"
            )
        if state.global_step:  # resumed
            kept = torch.load(self.file(args, state), weights_only=True)
            self.clip.load_state_dict(kept)
        if self.attached:  # by a training that ended in an error
            self.attached.remove()
        self.attached = self.clip.attach(optimizer)

    def on_save(self, args, state, control, **others):
        if state.is_world_process_zero:
            torch.save(self.clip.state_dict(), self.file(args, state))

    def on_train_end(self, args, state, control, **others):
        self.attached.remove()

    def file(self, args, state):
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        return folder / "autoclip.pt"


class Line(nn.Module):
    """The smallest network, with the loss that the Trainer asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.unit = nn.Linear(1, 1)

    def forward(self, x, y):
        return {"loss": (self.unit(x) - y).abs().mean()}


if __name__ == "__main__":
    points = torch.linspace(-10, 10, 100).reshape(-1, 1)
    data = [{"x": x, "y": 1.76 * x + 0.4} for x in points]
    callback = AutoClipCallback(percentile=10)
    settings = TrainingArguments(
        output_dir=sys.argv[1],
        max_grad_norm=0,  # the default, 1.0, clips before AutoClip looks
        per_device_train_batch_size=10,
        num_train_epochs=2,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
    )
    Trainer(Line(), settings, train_dataset=data, callbacks=[callback]).train()
    clip = callback.clip
    print(f"{len(clip.history)} steps, {clip.clipped_share:.0%} of them clipped")
