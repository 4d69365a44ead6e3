"""Gradual unfreezing of a backbone from back to front (SiamDW, section 5.1).

SiamDW opens one unit every five epochs and makes a new optimiser each time, which forgets all momentum
(researchmm/SiamDW:siamese_tracking/train_siamfc.py). Here the optimiser holds all parameters from the start: those of a
frozen unit have no gradient and are passed over, weight decay included, so a unit begins with no momentum, and the
units behind it keep theirs.
"""

from __future__ import annotations

from typing import Any

import pytorch_lightning as lightning
from torch import nn

from siam_tracker_core.training.engine.recipe import Unfreezing


def units_of(backbone: nn.Module) -> list[nn.Module]:
    """The parts of a backbone that hold parameters, front to back: of its ``units()``, or else of its children.

    Where that is a single ``Sequential``, it is divided as well.
    """
    units = getattr(backbone, "units", backbone.children)()
    parts = [part for part in units if any(True for _ in part.parameters())]
    if len(parts) == 1 and isinstance(parts[0], nn.Sequential):
        return units_of(parts[0])
    return parts


def open_units(backbone: nn.Module, schedule: Unfreezing, epoch: int) -> list[nn.Module]:
    """The units that train in an epoch (from 0), from front to back; never the one with the first convolution."""
    first = next((layer for layer in backbone.modules() if isinstance(layer, nn.Conv2d)), None)
    units = [unit for unit in units_of(backbone) if all(layer is not first for layer in unit.modules())]
    count = schedule.first + epoch // schedule.every if schedule.every else len(units)
    return units[max(0, len(units) - count) :]


def set_training(backbone: nn.Module, schedule: Unfreezing, epoch: int, freeze_batch_norm: bool = False) -> int:
    """Freeze and open the parts of a backbone for an epoch.

    Batch normalisation of frozen parts, and with ``freeze_batch_norm`` all of it, uses and keeps its statistics.

    Returns:
        How many units train; with unfreezing off, all of them.
    """
    backbone.train()
    opened = units_of(backbone)
    if schedule.every:
        opened = open_units(backbone, schedule, epoch)
        backbone.requires_grad_(False)
        backbone.eval()
        for unit in opened:
            unit.requires_grad_(True)
            unit.train()
    if freeze_batch_norm:
        for layer in backbone.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.eval()
    return len(opened)


class GradualUnfreezing(lightning.Callback):
    """Sets, at the start of every epoch, what trains; a function of the epoch alone, so a resumed run does the same."""

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        recipe = pl_module.recipe
        opened = set_training(pl_module.backbone, recipe.unfreezing, trainer.current_epoch, recipe.freeze_batch_norm)
        pl_module.log("open_units", float(opened), sync_dist=True)
