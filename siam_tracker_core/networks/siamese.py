"""What every Siamese network offers a runtime: a template branch that runs once, a search branch for all frames."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import nn
from torch.nn import functional

from siam_tracker_core.networks.backbone import Backbone


class SiameseNetwork(nn.Module):
    """A network of two branches with one backbone, as trackers run it.

    Images are RGB (N, 3, S, S) with values in 0..255. Both branches give float32 or the network's own number type, and
    the batch is the first dimension of every tensor.

    Attributes:
        backbone: of both branches.
    """

    backbone: Backbone

    @abstractmethod
    def template(self, exemplars: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What the search branch compares with, N rows for N exemplar images."""

    @abstractmethod
    def embed(self, searches: torch.Tensor) -> torch.Tensor:
        """Features (N, C, rows, columns) of search images, which the templates are compared with."""

    @abstractmethod
    def compare(self, template: tuple[torch.Tensor, ...], features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What the features of N * M search images say, M images in a row for every one of N templates."""

    def beside_map(self, features: torch.Tensor, size: int) -> torch.Tensor:
        """Search features whose middle cell is the middle cell of the map that ``compare`` gives, at its stride.

        A map of a template slid over features has its middle where theirs is. A template of an even side makes the
        map's cells lie between the features' cells: cell i of a template of 6 cells at i + 2.5. The mean of four
        neighbours is the features there, interpolated bilinearly.

        Args:
            features: (N, C, rows, columns), of search images.
            size: side of their map in cells.

        Returns:
            (N, C, rows, columns), as many cells a side as the map has, or an even number more.
        """
        between = (features.shape[-1] - size) % 2
        return functional.avg_pool2d(features, 2, stride=1) if between else features

    def search(self, template: tuple[torch.Tensor, ...], searches: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What N * M search images say, M images in a row for every one of N templates."""
        return self.compare(template, self.embed(searches))


class WithFeatures(SiameseNetwork):
    """A network whose search branch gives its features as well, for trackers that learn from them.

    Args:
        network: that is run; its answers come first.
    """

    def __init__(self, network: SiameseNetwork) -> None:
        super().__init__()
        self.network = network

    @property
    def backbone(self) -> Backbone:  # type: ignore[override]
        """Of the network that is run."""
        return self.network.backbone

    def template(self, exemplars: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.network.template(exemplars)

    def embed(self, searches: torch.Tensor) -> torch.Tensor:
        return self.network.embed(searches)

    def compare(self, template: tuple[torch.Tensor, ...], features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        answers = self.network.compare(template, features)
        return *answers, self.beside_map(features, answers[0].shape[-1]).float()

    def beside_map(self, features: torch.Tensor, size: int) -> torch.Tensor:
        return self.network.beside_map(features, size)
