"""ResNet-50 (He et al., 2016), cut and dilated to stride 8: a teacher whose features backbones distil."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks.backbone import Backbone, footprint_of
from siam_tracker_core.networks.normalise import IMAGENET, Normalise

# width, blocks, stride: table 1 of the paper, the column of 50 layers
STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
EXPANSION = 4


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 with a shortcut (figure 5 of the paper); the stride is on the 3x3, where torchvision puts it."""

    def __init__(self, inputs: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        outputs = width * EXPANSION
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        out = self.relu(self.bn1(self.conv1(features)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        shortcut = features if self.downsample is None else self.downsample(features)
        return self.relu(out + shortcut)


class ResNet50(Backbone):
    """The stages of ResNet-50 up to ``last_layer``, with strides beyond ``max_stride`` turned into dilation.

    Layers bear torchvision's names (``conv1``, ``layer1.0.conv1`` ...), and its ``replace_stride_with_dilation`` is
    what the dilation does. Padded.

    Args:
        last_layer: index of the last stage kept, 1..4; 3 gives 1024 channels.
        max_stride: total stride to keep.

    Attributes:
        first_centre: of the first cell, in pixels: cell ``j`` is centred on ``first_centre + stride * j``; 0 here.

    Raises:
        ConfigError: for a stage that there is not.
    """

    def __init__(self, last_layer: int = 3, max_stride: int = 8) -> None:
        super().__init__()
        if not 1 <= last_layer <= len(STAGES):
            raise ConfigError(f"ResNet-50 has layers 1 to {len(STAGES)}, not {last_layer}")
        self.normalise = Normalise(IMAGENET)
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels, total, dilation = 64, 4, 1
        self._stages = [f"layer{number}" for number in range(1, last_layer + 1)]
        for name, (width, repetitions, stage_stride) in zip(self._stages, STAGES, strict=False):
            blocks = []
            for index in range(repetitions):
                stride = stage_stride if index == 0 else 1
                block_dilation = dilation
                if stride * total > max_stride:
                    stride, dilation = 1, dilation * stride
                total *= stride
                blocks.append(Bottleneck(channels, width, stride, block_dilation))
                channels = width * EXPANSION
            self.add_module(name, nn.Sequential(*blocks))
        self._measure(footprint_of(nn.ModuleList(self._main_path())), channels)

    def _main_path(self) -> Iterator[nn.Module]:
        """The layers that widen the view, without the shortcuts beside them."""
        yield from (self.conv1, self.maxpool)
        for name in self._stages:
            for block in getattr(self, name):
                yield from (block.conv1, block.conv2, block.conv3)

    def units(self) -> list[nn.Module]:
        """The first convolution with its normalisation, and the blocks."""
        return [
            nn.ModuleList([self.conv1, self.bn1]),
            *(block for name in self._stages for block in getattr(self, name)),
        ]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features (N, out_channels, h, w) of RGB images with values in 0..255."""
        features = self.maxpool(self.relu(self.bn1(self.conv1(self.normalise(images)))))
        for name in self._stages:
            features = getattr(self, name)(features)
        return features
