"""AutoClip as a Lightning callback: logged, and saved with the checkpoint.

Run with: python examples/lightning_callback.py (needs the package lightning)
"""

import lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from descent.clipping import AutoClip


class AutoClipCallback(lightning.Callback):
    """Clip every optimizer before its steps, each by a history of its own.

    Takes the settings of AutoClip.
    """

    def __init__(self, **settings) -> None:
        AutoClip(**settings)  # refuses wrong ones now, not when the training starts
        self.settings, self.states = settings, []
        self.clips, self.attached = [], []

    def on_fit_start(self, trainer, module):
        if trainer.gradient_clip_val:
            raise ValueError("gradient_clip_val must be None, or it clips as well")
        if len(self.clips) != len(trainer.optimizers):
            self.clips = [AutoClip(**self.settings) for _ in trainer.optimizers]
        if self.states:  # resumed
            for clip, state in zip(self.clips, self.states, strict=True):
                clip.load_state_dict(state)
            self.states = []
        for clip, optimizer in zip(self.clips, trainer.optimizers, strict=True):
            self.attached.append(clip.attach(optimizer))

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_index):
        for index, attached in enumerate(self.attached):
            if attached.report is not None:  # not while gradients are accumulated
                module.log(f"grad_norm/{index}", attached.report.grad_norm)
                module.log(f"threshold/{index}", attached.report.threshold)
                attached.report = None

    def teardown(self, trainer, module, stage):
        while self.attached:
            self.attached.pop().remove()

    def on_exception(self, trainer, module, exception):
        self.teardown(trainer, module, "fit")

    def state_dict(self):
        return {"clips": [clip.state_dict() for clip in self.clips]}

    def load_state_dict(self, state):
        self.states = state["clips"]


class Line(lightning.LightningModule):
    """The smallest network, for a module to hang the callback on."""

    def __init__(self) -> None:
        super().__init__()
        self.unit = nn.Linear(1, 1)

    def training_step(self, batch, index):
        x, y = batch
        loss = (self.unit(x) - y).abs().mean()
        self.log("loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


if __name__ == "__main__":
    x = torch.linspace(-10, 10, 100).reshape(-1, 1)
    data = DataLoader(TensorDataset(x, 1.76 * x + 0.4), batch_size=10)
    callback = AutoClipCallback(percentile=10)
    trainer = lightning.Trainer(
        max_epochs=2,
        callbacks=[callback],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Line(), data)
    (clip,) = callback.clips  # one for each optimizer
    print(f"{len(clip.history)} steps, {clip.clipped_share:.0%} of them clipped")
