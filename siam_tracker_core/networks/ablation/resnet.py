"""ResNet-17 and ResNet-33: ResNet-18 and 34 (He et al., 2016) without their last layer and with less stride."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from siam_tracker_core.networks.ablation.layers import Chain, check_stride, conv, crop, pool, tail_kernels
from siam_tracker_core.networks.backbone import Footprint, footprint_of

WIDTHS = (64, 128, 256, 512)
# Receptive field behind the first block of the second stage, where the blocks of Table 1 have 3x3 once each before.
BEFORE_TAIL, TAIL = 43, 3


@dataclass(frozen=True)
class BlockShape:
    """What may differ from block to block: the sides of both convolutions, the stride of the first."""

    kernels: tuple[int, int] = (3, 3)
    stride: int = 1


class BasicBlock(nn.Module):
    """Two convolutions beside a shortcut, which is cropped to their cells where they are not padded.

    Args:
        inputs: channels.
        width: channels of the output.
        shape: kernels and stride.
        padded: as in ResNet.
        relu: whether the sum is rectified.
    """

    def __init__(self, inputs: int, width: int, shape: BlockShape, padded: bool, relu: bool) -> None:
        super().__init__()
        first, second = shape.kernels
        self.body = nn.Sequential(
            conv(inputs, width, first, shape.stride, padded),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            conv(width, width, second, 1, padded),
            nn.BatchNorm2d(width),
        )
        changes = inputs != width or shape.stride > 1
        projection = [nn.Conv2d(inputs, width, 1, shape.stride, bias=False), nn.BatchNorm2d(width)] if changes else []
        crops = (nn.Identity(), nn.Identity()) if padded else (crop(first), crop(second))
        self.shortcut = nn.Sequential(crops[0], *projection, crops[1])
        self.relu = nn.ReLU(inplace=True) if relu else nn.Identity()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.relu(self.body(features) + self.shortcut(features))  # type: ignore[no-any-return]

    def footprint(self, before: Footprint) -> Footprint:
        """Of the path through both convolutions, which sees the most."""
        return footprint_of(self.body, before)


class BasicResNet(Chain):
    """A ResNet of basic blocks.

    With no ``receptive_field`` it is that of Table 2: all convolutions 3x3 and padded, 227 pixels and stride 8 for
    ResNet-17, 739 and 16 for ResNet-33. With one it is that of Table 1: the first convolution of each block in the
    first stage and of the first in the second is 3x3, those of the last three blocks are what the receptive field asks
    for, all others 1x1. The last block is not rectified.

    Args:
        blocks: of each stage.
        halving: stages, from 1 on, whose first block halves the resolution.
        receptive_field: in pixels: 75 to 123 in Table 1, where 91 is called the original.
        stride: with a receptive field: 8; 4 leaves the stride of the second stage out, 16 gives the last block one.
        padded: with a receptive field: column 5 of Table 1.

    Raises:
        ConfigError: if there is no such network.
    """

    def __init__(
        self,
        blocks: tuple[int, ...] = (3, 4, 6, 3),
        halving: tuple[int, ...] = (2, 3),
        receptive_field: int | None = None,
        stride: int = 8,
        padded: bool = False,
    ) -> None:
        super().__init__()
        padded = padded or receptive_field is None
        shapes = _usual(blocks, halving) if receptive_field is None else _cut(blocks, receptive_field, stride)
        self.stem = nn.Sequential(
            conv(3, 64, 7, 2, padded), nn.BatchNorm2d(64), nn.ReLU(inplace=True), pool(3, 2, padded)
        )
        channels, place = 64, 0
        for stage, (count, width) in enumerate(zip(blocks, WIDTHS, strict=True), start=1):
            units = []
            for shape in shapes[place : place + count]:
                place += 1
                units.append(BasicBlock(channels, width, shape, padded, relu=place < len(shapes)))
                channels = width
            self.add_module(f"layer{stage}", nn.Sequential(*units))
        self._measure(footprint_of(self), channels)

    def units(self) -> list[nn.Module]:
        """The stem and then the blocks, front to back."""
        stem, *stages = self.children()
        return [stem, *(block for stage in stages for block in stage.children())]


def _usual(blocks: tuple[int, ...], halving: tuple[int, ...]) -> list[BlockShape]:
    return [
        BlockShape(stride=2 if stage in halving and number == 0 else 1)
        for stage, count in enumerate(blocks, start=1)
        for number in range(count)
    ]


def _cut(blocks: tuple[int, ...], receptive_field: int, stride: int) -> list[BlockShape]:
    check_stride(stride)
    shapes = [BlockShape((3, 1))] * blocks[0] + [BlockShape((3, 1), 1 if stride == 4 else 2)]
    kernels = tail_kernels(receptive_field, BEFORE_TAIL, min(stride, 8), TAIL)
    shapes += [BlockShape((1, 1))] * (sum(blocks) - len(shapes) - TAIL)
    shapes += [BlockShape((kernel, 1)) for kernel in kernels]
    if stride == 16:
        shapes[-1] = BlockShape(shapes[-1].kernels, 2)
    return shapes
