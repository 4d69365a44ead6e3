"""What the engine needs of a tracker's training: a loss for a batch, pictures, and a tracker to validate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytorch_lightning as lightning
import torch
from numpy.typing import NDArray
from torch import nn

from siam_tracker_core.evaluation.resolve import FrameTracker
from siam_tracker_core.training.engine.recipe import Recipe
from siam_tracker_core.training.engine.schedule import make_optimiser, make_schedule, parameter_groups

Batch = Mapping[str, torch.Tensor]
Picture = NDArray[np.uint8]


class TrainingModule(lightning.LightningModule):
    """Base of every training.

    Args:
        network: what is trained, averaged and exported.
        recipe: settings.

    Attributes:
        kind: name of what is trained, which checkpoints and weights files carry.
        recipe_class: the class of its settings.
        backbone: the part of the network that ``unfreezing``, ``freeze_batch_norm`` and ``backbone_lr_mult`` of the
            recipe are about.
    """

    kind: ClassVar[str]
    recipe_class: ClassVar[type[Recipe]]

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.network, self.recipe = network, recipe

    @classmethod
    def build(cls, recipe: Any, objects: Path | None = None) -> TrainingModule:
        """A module with a fresh network.

        Args:
            recipe: of ``recipe_class``.
            objects: folder of objects with alpha, for augmentation.

        Raises:
            ConfigError: for a network that there is not.
            DatasetError: if the folder holds no such object.
        """
        raise NotImplementedError

    @property
    def backbone(self) -> nn.Module:
        return self.network.backbone  # type: ignore[return-value]

    def adopt(self, state: Mapping[str, torch.Tensor], metadata: Mapping[str, Any]) -> Mapping[str, torch.Tensor]:
        """What a training that starts from a whole tracker's weights loads of them.

        All of a tracker of the same kind; of another kind, its backbone, and the rest of the network stays as it is.

        Args:
            state: of the weights file.
            metadata: of it.
        """
        if metadata.get("tracker") == self.kind:
            return state
        lent = {name: tensor for name, tensor in state.items() if name.startswith("backbone.")}
        own = {name: tensor for name, tensor in self.network.state_dict().items() if not name.startswith("backbone.")}
        return lent | own

    def shipped(self, network: nn.Module) -> Mapping[str, torch.Tensor]:
        """What a weights file holds of a trained network: all of it, unless a tracker has no use for a part."""
        return network.state_dict()

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """What is to fall, under ``loss``, and scalars to log beside it.

        Args:
            batch: on the device, as the data module made it.
            generator: on the CPU, for everything random in this step.
        """
        raise NotImplementedError

    def pictures(self, batch: Batch) -> list[list[Picture]]:
        """Rows of uint8 (H, W, 3) RGB pictures that show what a batch looks like and what the network says of it."""
        return []

    def tracker(self, network: nn.Module) -> FrameTracker | None:
        """A tracker with this network (which it may change), to validate by tracking; None where there is none."""
        return None

    def settings(self) -> dict[str, Any]:
        """The recipe as the provenance of weights tells it."""
        return asdict(self.recipe)

    def description(self) -> dict[str, Any]:
        """What ``load_tracker`` needs to build the network and tracker again; metadata of the weights file."""
        return {}

    def generator(self, number: int) -> torch.Generator:
        """A CPU generator that depends on seed, epoch, batch and process alone, so that a resumed run repeats it."""
        words = (self.recipe.seed, self.current_epoch, number, self.global_rank)
        seed = int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))
        return torch.Generator().manual_seed(seed)

    def training_step(self, batch: Batch, number: int) -> torch.Tensor:
        values = self.losses(batch, self.generator(number))
        self.log_dict({name: value.detach() for name, value in values.items()}, prog_bar=True)
        return values["loss"]

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What is trained, each part with its learning rate."""
        return parameter_groups(self.network, self.backbone, self.recipe)

    def configure_optimizers(self) -> Any:
        optimiser = make_optimiser(self.parameter_groups(), self.recipe)
        schedule = make_schedule(optimiser, self.recipe)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["siam_tracker"] = {"kind": self.kind, "batches": self.recipe.batches_per_epoch}
