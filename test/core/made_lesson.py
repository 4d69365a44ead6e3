"""A network so small, and a training of it, that what the engine must do can be worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from siam_tracker_core.training.engine.epoch_slices import EpochSlices
from siam_tracker_core.training.engine.module import TrainingModule
from siam_tracker_core.training.engine.recipe import Recipe, read_recipe
from siam_tracker_core.training.engine.run import Machine, Run, fit

CPU = Machine("cpu")


class Numbers(Dataset):
    """Sample n is a vector that depends on n alone."""

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        return {"x": torch.randn(4, generator=torch.Generator().manual_seed(number))}


class Net(nn.Module):
    """A backbone of three units with normalisation and dropout, a head, and an offset that the tracker errs by."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        units = [nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.3)) for _ in range(3)]
        self.backbone = nn.Sequential(*units)
        self.head = nn.Linear(4, 1)
        self.offset = nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(x[:, :, None, None])[:, :, 0, 0])[:, 0]


@dataclass(frozen=True)
class Shifted:
    """Gives the first box again, displaced by the network's offset."""

    offset: float

    def init(self, image, box):
        object.__setattr__(self, "box", box)

    def update(self, image):
        row = self.box.to_array()
        row[0] += self.offset
        return row


class Lesson(TrainingModule):
    """The offset grows by the rate in each step of SGD; the rest learns something that includes noise."""

    kind = "lesson"
    recipe_class = Recipe

    def losses(self, batch, generator):
        noise = torch.rand(len(batch["x"]), generator=generator)
        answer = self.network(batch["x"]) - batch["x"].sum(dim=1) - noise
        return {"loss": answer.square().mean() - self.network.offset, "answer": answer.detach().mean()}

    def pictures(self, batch):
        return [[np.full((8, 8, 3), 50, np.uint8), np.full((6, 5, 3), 90, np.uint8)]]

    def tracker(self, network):
        return Shifted(float(network.offset))

    def description(self):
        return {"tracker": self.kind}


def recipe(**changes: object) -> Recipe:
    plain = {"epochs": 2, "steps_per_epoch": 2, "batch_size": 4, "lr": 0.1, "final_lr": 0.1, "precision": "single"}
    return read_recipe(Recipe, {**plain, **changes})


def run(out: Path, settings: Recipe, module: TrainingModule | None = None, **options: object) -> Run:
    module = module or Lesson(Net(), settings)
    data = EpochSlices(Numbers(), settings.batch_size, settings.batches_per_epoch, workers=0)
    return fit(module, data, out, machine=CPU, **options)
