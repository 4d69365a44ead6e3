"""The AlexNet of SiamFC: fully convolutional, no padding, stride 8 (SiamFC Table 1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks.backbone import Backbone, Footprint, footprint_of

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5")


def _norm(channels: int) -> nn.BatchNorm2d:
    # epsilon and momentum of the reference implementation (reference values, section 1)
    return nn.BatchNorm2d(channels, eps=1e-6, momentum=0.05)


class AlexNet(Backbone):
    """Five convolutions, the second, fourth and fifth in two groups; the last without normalisation or ReLU.

    A 127x127 exemplar gives 6x6 cells and a 255x255 search image 22x22, both with 256 channels. The layers bear the
    names of published PyTorch checkpoints (``conv1.0`` ...).
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(3, 96, 11, 2), _norm(96), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2))
        self.conv2 = nn.Sequential(
            nn.Conv2d(96, 256, 5, 1, groups=2), _norm(256), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)
        )
        self.conv3 = nn.Sequential(nn.Conv2d(256, 384, 3, 1), _norm(384), nn.ReLU(inplace=True))
        self.conv4 = nn.Sequential(nn.Conv2d(384, 384, 3, 1, groups=2), _norm(384), nn.ReLU(inplace=True))
        self.conv5 = nn.Sequential(nn.Conv2d(384, 256, 3, 1, groups=2))
        self._measure(footprint_of(self), 256)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.conv5(self.conv4(self.conv3(self.conv2(self.conv1(images)))))

    def features_at(self, images: torch.Tensor, names: Sequence[str]) -> list[torch.Tensor]:
        """Features at the end of several layers (``conv1`` to ``conv5``), in the order of ``names``, in one pass.

        Those of conv4, after its ReLU, have 384 channels: 8x8 cells of a 127x127 image and 24x24 of a 255x255 one.

        Raises:
            ConfigError: for a layer that there is not.
        """
        _check(names)
        taken = {}
        for layer in LAYERS[: max(map(LAYERS.index, names)) + 1]:
            images = getattr(self, layer)(images)
            taken[layer] = images
        return [taken[name] for name in names]

    def footprint_at(self, name: str) -> Footprint:
        """How a cell of the features at the end of a layer sees the image.

        Raises:
            ConfigError: for a layer that there is not.
        """
        _check([name])
        footprint = Footprint()
        for layer in LAYERS[: LAYERS.index(name) + 1]:
            footprint = footprint_of(getattr(self, layer), footprint)
        return footprint


def _check(names: Sequence[str]) -> None:
    unknown = sorted(set(names) - set(LAYERS))
    if unknown:
        raise ConfigError(f"AlexNet has no layer {', '.join(unknown)}; it has {', '.join(LAYERS)}")
