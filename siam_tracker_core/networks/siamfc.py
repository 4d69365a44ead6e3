"""The fully convolutional Siamese network: one backbone for exemplar and search image, and their correlation."""

from __future__ import annotations

import torch

from siam_tracker_core.networks.backbone import Backbone
from siam_tracker_core.networks.correlation import Correlation
from siam_tracker_core.networks.siamese import SiameseNetwork


class SiamFCNetwork(SiameseNetwork):
    """``f(z, x) = gain * phi(z) * phi(x) + b`` (SiamFC equation 1).

    Args:
        backbone: phi.
        gain: of the correlation.
    """

    def __init__(self, backbone: Backbone, gain: float = 1e-3) -> None:
        super().__init__()
        self.backbone = backbone
        self.correlation = Correlation(gain)

    def template(self, exemplars: torch.Tensor) -> tuple[torch.Tensor]:
        """Float32 features (N, C, h, w) of exemplar images."""
        return (self.embed(exemplars).float(),)

    def compare(self, template: tuple[torch.Tensor, ...], features: torch.Tensor) -> tuple[torch.Tensor]:
        """Float32 responses (N * M, 1, rows, cols) without the bias; M search images in a row for every template."""
        return (self.correlation.raw(template[0], features.float()),)

    def forward(self, exemplars: torch.Tensor, searches: torch.Tensor) -> torch.Tensor:
        """Response logits (N, 1, rows, cols) of exemplar images against search images."""
        return self.correlation(self.embed(exemplars), self.embed(searches))
