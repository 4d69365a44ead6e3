"""MobileNetV2 (Sandler et al., 2018), cut and dilated to stride 8: the teacher whose features the backbones distil."""

from __future__ import annotations

import torch
from torch import nn

from siam_tracker_core.networks.backbone import Backbone, footprint_of

# expansion, channels, repetitions, stride: Table 2 of the paper
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (kernel - 1) // 2
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    """Expand, filter by channel, project; with a shortcut where the shape stays (Figure 3 of the paper)."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int, dilation: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        layers: list[nn.Module] = [_conv(inputs, hidden, 1)] if expansion != 1 else []
        layers += [
            _conv(hidden, hidden, 3, stride, groups=hidden, dilation=dilation),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        self.conv = nn.Sequential(*layers)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features + self.conv(features) if self.shortcut else self.conv(features)


class MobileNetV2(Backbone):
    """The blocks of MobileNetV2 up to ``last_block``, with strides beyond ``stride`` turned into dilation.

    Layers bear torchvision's names (``features.0.0.weight`` ...), so its checkpoints load by name. Padded: cell ``j``
    is centred on pixel ``stride * j``.

    Args:
        last_block: index of the last block kept, 1..17; 10 gives 64 channels.
        max_stride: total stride to keep.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, last_block: int = 10, max_stride: int = 8) -> None:
        super().__init__()
        layers: list[nn.Module] = [_conv(3, 32, 3, 2)]
        channels, total, dilation = 32, 2, 1
        for expansion, outputs, repetitions, stage_stride in STAGES:
            for index in range(repetitions):
                if len(layers) > last_block:
                    break
                stride = stage_stride if index == 0 else 1
                block_dilation = dilation
                if stride * total > max_stride:
                    stride, dilation = 1, dilation * stride
                total *= stride
                layers.append(InvertedResidual(channels, outputs, stride, expansion, block_dilation))
                channels = outputs
        self.features = nn.Sequential(*layers)
        self._measure(footprint_of(self), channels)
        self.register_buffer("mean", torch.tensor([123.675, 116.28, 103.53]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([58.395, 57.12, 57.375]).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features of RGB images with values in 0..255."""
        return self.features(self._normalised(images))

    def with_earlier(self, images: torch.Tensor, units: int) -> tuple[torch.Tensor, torch.Tensor]:
        early = self.features[:units](self._normalised(images))
        return early, self.features[units:](early)

    def units(self) -> list[nn.Module]:
        return list(self.features)

    def _normalised(self, images: torch.Tensor) -> torch.Tensor:
        return (images - self.mean) / self.std
