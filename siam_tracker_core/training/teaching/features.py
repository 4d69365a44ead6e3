"""A lesson of features: a student's features are to tell what those of a published tracker's encoder tell.

Answers to pairs teach what was right in the pairs at hand. The features teach at every place of every image what a
network took from data sets that are not at hand: the encoder's vector is to be a linear function of the student's
(Romero et al., FitNets, 2015, section 2.2), by the cosine between both, as their lengths say nothing of a student's
own features. The map belongs to the lesson, not to the student.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from siam_tracker_core.config import STRICT
from siam_tracker_core.crop import crossings
from siam_tracker_core.limits import NotNegative, Positive, Whole
from siam_tracker_core.peers import fear
from siam_tracker_core.training.teacher import Grid
from siam_tracker_core.training.teaching.teachers import OnnxTeacher

STRIDE, CHANNELS = 16, 256


@dataclass(frozen=True)
class FeatureTeaching:
    """Settings of the lesson.

    Attributes:
        weight: of its loss, relative to the others; 0 leaves it out.
        alone: steps at first in which only the map learns, so that the student learns from no map of noise.
        rate: learning rate of the map, which falls as the others do.
    """

    weight: NotNegative = 0.0
    alone: Whole = 150
    rate: Positive = 2e-3

    __pydantic_config__ = STRICT


class View(NamedTuple):
    """Images that encoder and student see.

    Attributes:
        images: (N, 3, S, S) BGR in 0..255, as a camera would show them.
        features: (N, channels, h, w), the student's of its own views of them.
        grid: where the student's cells lie in the images.
    """

    images: torch.Tensor
    features: torch.Tensor
    grid: Grid


class FeatureLesson(nn.Module):
    """How far a student's features are from telling those of FEAR-XS' encoder.

    Args:
        folder: holds ``fear_xs_features.onnx``.
        channels: of the student.
        settings: of the lesson.

    Raises:
        WeightsError: if the file is missing or damaged.
    """

    mean: torch.Tensor

    def __init__(self, folder: Path, channels: int, settings: FeatureTeaching) -> None:
        super().__init__()
        self.settings = settings
        self.map = nn.Conv2d(channels, CHANNELS, 1)
        self.register_buffer("mean", torch.zeros(1, CHANNELS, 1, 1))
        self._path = folder / fear.FILES[0]
        self._encoders: dict[int, OnnxTeacher] = {}

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Features (N, 256, h, w) of BGR images (N, 3, S, S) in 0..255; cell ``j`` is centred on pixel ``16 * j``."""
        size = images.shape[-1]
        whole = -(-size // STRIDE) * STRIDE
        if whole not in self._encoders:
            self._encoders[whole] = OnnxTeacher(self._path, fear.FEATURES, {"image": (1, 3, whole, whole)})
        padded = functional.pad(images.flip(1), (0, whole - size, 0, whole - size), mode="replicate")
        return self._encoders[whole](image=padded)[0]

    def forward(self, views: Sequence[View], step: int) -> torch.Tensor:
        """One less the cosine, in the mean over cells and images, and over the views.

        Args:
            views: what was seen, and the student's features of it.
            step: of the training, from 0.
        """
        with torch.no_grad():
            said = [at_cells(self.encode(view.images), view.grid) for view in views]
            if not self.mean.any():
                self.mean.copy_(said[-1].mean(dim=(0, 2, 3), keepdim=True))
        losses = []
        for view, wanted in zip(views, said, strict=True):
            features = view.features.float()
            told = self.map(features if step >= self.settings.alone else features.detach())
            losses.append(1 - functional.cosine_similarity(told, wanted - self.mean, dim=1).mean())
        return torch.stack(losses).mean()


def at_cells(features: torch.Tensor, grid: Grid) -> torch.Tensor:
    """An encoder's features, bilinear between its cells, where a student's cells lie."""
    cells = features.shape[-1]
    if grid.first == 0 and grid.stride == STRIDE and grid.cells == cells:
        return features
    along = grid.first + grid.stride * torch.arange(grid.cells, device=features.device, dtype=features.dtype)
    along = (along / STRIDE / max(1, cells - 1) * 2 - 1).expand(len(features), -1)
    return functional.grid_sample(features, crossings(along, along), padding_mode="border", align_corners=True)
