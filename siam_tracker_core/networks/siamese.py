"""What every Siamese network offers a runtime: a template branch that runs once, a search branch for all frames."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import nn

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
    def search(self, template: tuple[torch.Tensor, ...], searches: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What N * M search images say, M images in a row for every one of N templates."""
