"""AutoClip as a Lightning callback: logged, and saved with the checkpoint.

Run with: python examples/lightning_callback.py (needs the package lightning)
"""

import lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from descent.clipping import AutoClip


class AutoClipCallback(lightning.Callback):
    """Clip before every step of the optimizer."""

    def __init__(self, percentile: float = 10) -> None:
        self.clip = AutoClip(percentile)

    def on_before_optimizer_step(self, trainer, module, optimizer):
        report = self.clip(module.parameters())
        module.log("grad_norm", report.grad_norm)
        module.log("threshold", report.threshold)

    def state_dict(self):
        return self.clip.state_dict()

    def load_state_dict(self, state):
        self.clip.load_state_dict(state)


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
    callback = AutoClipCallback()
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
    share = callback.clip.clipped_share
    print(f"{len(callback.clip.history)} steps, {share:.0%} of them clipped")
