"""Inception-16 and Inception-22: networks of GoogLeNet's modules (Szegedy et al., 2015) with normalisations."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from siam_tracker_core.networks.ablation.layers import Chain, check_stride, conv, crop, pool, tail_kernels
from siam_tracker_core.networks.backbone import Footprint, footprint_of


class Widths(NamedTuple):
    """Channels of a module: 1x1; reduction and 3x3; reduction and 5x5; 1x1 behind the pooling."""

    one: int
    reduce_three: int
    three: int
    reduce_five: int
    five: int
    pooled: int

    @property
    def outputs(self) -> int:
        """Channels of all branches together."""
        return self.one + self.three + self.five + self.pooled


# Table 1 of GoogLeNet, 3a to 5b, and 5b once more: ten modules of two layers and two convolutions make 22.
MODULES = (
    Widths(64, 96, 128, 16, 32, 32),
    Widths(128, 128, 192, 32, 96, 64),
    Widths(192, 96, 208, 16, 48, 64),
    Widths(160, 112, 224, 24, 64, 64),
    Widths(128, 128, 256, 24, 64, 64),
    Widths(112, 144, 288, 32, 64, 64),
    Widths(256, 160, 320, 32, 128, 128),
    Widths(256, 160, 320, 32, 128, 128),
    Widths(384, 192, 384, 48, 128, 128),
    Widths(384, 192, 384, 48, 128, 128),
)
# Receptive field behind the stem with its 2x2 pooling, and how many modules look around themselves in Table 1.
BEFORE_TAIL, TAIL = 19, 5


class Module(nn.Module):
    """Four branches side by side; those that look at less are cropped to the cells of the widest without padding.

    Args:
        inputs: channels.
        widths: of the branches.
        kernel: side of the widest; the second and the pooling have at most 3.
        padded: as in GoogLeNet.
    """

    def __init__(self, inputs: int, widths: Widths, kernel: int, padded: bool) -> None:
        super().__init__()
        small = min(kernel, 3)
        self.out_channels = widths.outputs

        def cut(own: int) -> nn.Module:
            return nn.Identity() if padded else crop(kernel, own)

        self.one = nn.Sequential(cut(1), *_rectified(inputs, widths.one))
        self.three = nn.Sequential(
            *_rectified(inputs, widths.reduce_three),
            *_rectified(widths.reduce_three, widths.three, small, padded),
            cut(small),
        )
        self.five = nn.Sequential(
            *_rectified(inputs, widths.reduce_five), *_rectified(widths.reduce_five, widths.five, kernel, padded)
        )
        self.pooled = nn.Sequential(pool(small, 1, padded), cut(small), *_rectified(inputs, widths.pooled))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(features) for branch in self.children()], dim=1)

    def footprint(self, before: Footprint) -> Footprint:
        """Of the branch with the widest kernel."""
        return footprint_of(self.five, before)


def _rectified(inputs: int, outputs: int, kernel: int = 1, padded: bool = False) -> list[nn.Module]:
    return [conv(inputs, outputs, kernel, 1, padded), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


class Inception(Chain):
    """A stem of two convolutions and two poolings, and modules of two layers with four branches.

    With no ``receptive_field`` it is that of Table 2, padded. Inception-16 has seven modules, the first four with 3x3
    at the most: 23 to 183 pixels, stride 8. Inception-22 has ten with 5x5 and a pooling after the fifth: 39 to 519,
    stride 16. With one it is that of Table 1: the second pooling is 2x2, there is none between the modules, and only
    the last five look around themselves.

    Args:
        modules: how many.
        small: of them, from the front, with 3x3 at the most.
        pool_after: modules before a pooling; 0 for none.
        receptive_field: the largest, in pixels: 75 to 123 in Table 1, where 91 is called the original.
        stride: with a receptive field: 8; 4 leaves the stride of the second pooling out, 16 takes every second cell at
            the end.
        padded: with a receptive field: column 5 of Table 1.

    Raises:
        ConfigError: if there is no such network.
    """

    def __init__(
        self,
        modules: int = 10,
        small: int = 0,
        pool_after: int = 5,
        receptive_field: int | None = None,
        stride: int = 8,
        padded: bool = False,
    ) -> None:
        super().__init__()
        if receptive_field is None:
            padded, second = True, pool(3, 2, padded=True)
            kernels = [3] * small + [5] * (modules - small)
        else:
            check_stride(stride)
            pool_after, second = 0, pool(2, 1 if stride == 4 else 2, padded)
            tail = tail_kernels(receptive_field, BEFORE_TAIL, min(stride, 8), TAIL)
            kernels = [1] * (modules - TAIL) + tail
        self.stem = nn.Sequential(
            conv(3, 64, 7, 2, padded),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            *_rectified(64, 192, 3, padded),
            pool(3, 2, padded),
            second,
        )
        channels = 192
        for number, kernel in enumerate(kernels, start=1):
            module = Module(channels, MODULES[number - 1], kernel, padded)
            unit = nn.Sequential(module, pool(3, 2, padded)) if number == pool_after else module
            self.add_module(f"module{number}", unit)
            channels = module.out_channels
        if receptive_field is not None and stride == 16:
            self.every_second = nn.MaxPool2d(1, 2)
        self._measure(footprint_of(self), channels)
