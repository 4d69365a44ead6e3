"""What trackers need to know of any backbone, computed from its layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


@dataclass(frozen=True)
class Footprint:
    """How one output cell of a convolutional network sees the input.

    Attributes:
        stride: distance in pixels between the centres of neighbouring cells.
        receptive_field: side in pixels of the region that a cell sees.
        padding: pixels of padding, in input pixels, that the first cell's region reaches past the border.
    """

    stride: int = 1
    receptive_field: int = 1
    padding: int = 0

    def through(self, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Footprint:
        """The footprint after one more layer with a square kernel."""
        return Footprint(
            self.stride * stride,
            self.receptive_field + dilation * (kernel - 1) * self.stride,
            self.padding + padding * self.stride,
        )


def _first(value: int | str | tuple[int, ...]) -> int:
    return int(value[0] if isinstance(value, tuple) else value)


def footprint_of(layers: nn.Module) -> Footprint:
    """The footprint of a chain of layers, taken from its convolutions and poolings in order of registration."""
    footprint = Footprint()
    for layer in layers.modules():
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            dilation = _first(getattr(layer, "dilation", 1))
            footprint = footprint.through(
                _first(layer.kernel_size), _first(layer.stride), _first(layer.padding), dilation
            )
    return footprint


class Backbone(nn.Module):
    """A fully convolutional feature extractor.

    Attributes:
        stride: total stride in pixels.
        receptive_field: in pixels.
        out_channels: of the features.
    """

    stride: int
    receptive_field: int
    out_channels: int

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features (N, out_channels, h, w) of images (N, 3, H, W) with values in 0..255."""
        raise NotImplementedError


def channels_last(module: ModuleT) -> ModuleT:
    """Lay a module's weights out channels last, which convolutions read fastest; returns the module."""
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def parameter_count(module: nn.Module) -> int:
    """Number of learnable scalars."""
    return sum(parameter.numel() for parameter in module.parameters())
