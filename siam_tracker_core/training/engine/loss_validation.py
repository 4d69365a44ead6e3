"""Validation by the loss on samples of other videos, which stay the same from epoch to epoch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.utilities import rank_zero_info

LOSS = "validation_loss"


class LossValidation(lightning.Callback):
    """Tells the mean loss after every epoch, with the weights as they are and the network in evaluation mode.

    Args:
        batches: makes the batches anew, the same every time.

    Attributes:
        loss: the last one, None before the first.
    """

    def __init__(self, batches: Iterable[Any]) -> None:
        super().__init__()
        self.batches = batches
        self.loss: float | None = None

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        modes = {layer: layer.training for layer in pl_module.modules()}
        pl_module.eval()
        losses = []
        try:
            with torch.no_grad():
                for number, batch in enumerate(self.batches):
                    moved = pl_module.transfer_batch_to_device(batch, pl_module.device, 0)
                    generator = torch.Generator().manual_seed(number)  # the same augmentation after every epoch
                    losses.append(float(pl_module.losses(moved, generator)["loss"]))
        finally:
            for layer, mode in modes.items():
                layer.training = mode
        self.loss = sum(losses) / len(losses)
        pl_module.log(LOSS, torch.tensor(self.loss), prog_bar=True, sync_dist=True)
        rank_zero_info(f"epoch {trainer.current_epoch}: loss {self.loss:.4f} on the samples that validate")
