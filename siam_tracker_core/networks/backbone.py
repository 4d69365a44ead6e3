"""What trackers need to know of any backbone, computed from its layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


@dataclass(frozen=True)
class Footprint:
    """How one output cell of a convolutional network sees the input.

    Attributes:
        stride: distance in pixels between the centres of neighbouring cells.
        receptive_field: side in pixels of the region that a cell sees.
        padding: pixels of padding, in input pixels, that the first cell's region reaches past the border; negative if
            the region begins inside.
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


@runtime_checkable
class HasFootprint(Protocol):
    """A module that is no chain of its layers (it crops, or has branches) and so tells its footprint itself."""

    def footprint(self, before: Footprint) -> Footprint:
        """The footprint after this module, given the one before it."""


def _first(value: int | str | tuple[int, ...]) -> int:
    return int(value[0] if isinstance(value, tuple) else value)


def footprint_of(layers: nn.Module, before: Footprint | None = None) -> Footprint:
    """The footprint of a chain of layers, taken from its convolutions and poolings in order of registration.

    Args:
        layers: a module; what is a ``HasFootprint`` in it speaks for itself.
        before: the footprint of what comes before it, by default of the input.
    """
    footprint = before or Footprint()
    if isinstance(layers, HasFootprint):
        return layers.footprint(footprint)
    if isinstance(layers, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        dilation = _first(getattr(layers, "dilation", 1))
        return footprint.through(_first(layers.kernel_size), _first(layers.stride), _first(layers.padding), dilation)
    if isinstance(layers, nn.ZeroPad2d):
        return footprint.through(1, padding=_first(layers.padding))
    for child in layers.children():
        footprint = footprint_of(child, footprint)
    return footprint


class Backbone(nn.Module):
    """A fully convolutional feature extractor.

    Attributes:
        stride: total stride in pixels.
        receptive_field: in pixels.
        out_channels: of the features.
        first_centre: of the first cell, in pixels: cell ``j`` is centred on ``first_centre + stride * j``.
    """

    stride: int
    receptive_field: int
    out_channels: int
    first_centre: float

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features (N, out_channels, h, w) of images (N, 3, H, W) with values in 0..255."""
        raise NotImplementedError

    def _measure(self, footprint: Footprint, out_channels: int) -> None:
        """Take what the attributes say from the layers' footprint."""
        self.stride, self.receptive_field, self.out_channels = footprint.stride, footprint.receptive_field, out_channels
        self.first_centre = (footprint.receptive_field - 1) / 2 - footprint.padding

    def units(self) -> list[nn.Module]:
        """The parts from front to back that training may unfreeze one after another; together they are all of it."""
        return list(self.children())


@runtime_checkable
class GivesEarlier(Protocol):
    """A backbone whose units are a chain of padded layers: each gives features whose cell 0 is centred on pixel 0."""

    def with_earlier(self, images: torch.Tensor, units: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Features after the first ``units`` units, and those after all of them, in one pass.

        Args:
            images: (N, 3, H, W) with values in 0..255.
            units: from 1 to the number of ``units``.
        """


def channels_last(module: ModuleT) -> ModuleT:
    """Lay a module's weights out channels last, which convolutions read fastest; returns the module."""
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def parameter_count(module: nn.Module) -> int:
    """Number of learnable scalars."""
    return sum(parameter.numel() for parameter in module.parameters())
