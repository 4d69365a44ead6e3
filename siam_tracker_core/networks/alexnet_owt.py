"""AlexNet as torchvision trained it on ImageNet (Krizhevsky, 2014), dilated to stride 8: a teacher."""

from __future__ import annotations

import torch
from torch import nn

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks.backbone import Backbone, footprint_of
from siam_tracker_core.networks.normalise import IMAGENET, Normalise


class AlexNetOWT(Backbone):
    """The five convolutions of torchvision's ``alexnet``, without the last pooling.

    Layers bear torchvision's names (``features.0.weight`` ...; pytorch/vision:torchvision/models/alexnet.py). This is
    the narrower network of "One weird trick for parallelizing convolutional neural networks", not the one of SiamFC.

    Args:
        max_stride: total stride to keep, 8 or 16; at 8 the second pooling moves by single cells and the convolutions
            after it are dilated instead.

    Attributes:
        first_centre: of the first cell, in pixels: cell ``j`` is centred on ``first_centre + stride * j``.

    Raises:
        ConfigError: for another stride.
    """

    def __init__(self, max_stride: int = 8) -> None:
        super().__init__()
        if max_stride not in (8, 16):
            raise ConfigError(f"the stride can be 8 or 16, not {max_stride}")
        step = max_stride // 8
        wide = 2 // step  # dilation in place of the stride that was taken away
        self.normalise = Normalise(IMAGENET)
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, 4, 2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, step),
            nn.Conv2d(192, 384, 3, padding=wide, dilation=wide),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=wide, dilation=wide),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=wide, dilation=wide),
            nn.ReLU(inplace=True),
        )
        self._measure(footprint_of(self.features), 256)

    def units(self) -> list[nn.Module]:
        """The convolutions."""
        return [layer for layer in self.features if isinstance(layer, nn.Conv2d)]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features (N, 256, h, w) of RGB images with values in 0..255."""
        return self.features(self.normalise(images))
