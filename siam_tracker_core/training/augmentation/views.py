"""Augmentation of whole batches on the device; crops stay uint8 until they arrive here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Le, Lt
from torch.nn import functional

from siam_tracker_core.config import STRICT
from siam_tracker_core.crop import crossings, sample_on_mean
from siam_tracker_core.limits import NotNegative, Share


@dataclass(frozen=True)
class Photometry:
    """How colours change. All are the largest relative changes, or probabilities.

    Attributes:
        brightness, contrast, tint: a factor is drawn uniformly from 1 - value to 1 + value (tint: for each channel).
        grey: probability of a picture without colour.
        blur: probability of motion blur.
        blur_length: its largest length in pixels.
    """

    brightness: Share = 0.25
    contrast: Share = 0.25
    tint: Share = 0.08
    grey: Share = 0.15
    blur: Share = 0.2
    blur_length: Annotated[int, Ge(3)] = 9

    __pydantic_config__ = STRICT


def _factors(count: int, spread: float, channels: int, like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    draw = torch.rand((count, channels, 1, 1), generator=generator).to(like.device)
    return 1 + spread * (2 * draw - 1)


def recolour(images: torch.Tensor, settings: Photometry, generator: torch.Generator) -> torch.Tensor:
    """Change brightness, contrast, tint and sharpness of each image by itself.

    Args:
        images: float (N, 3, H, W) in 0..255.
        settings: how far.
        generator: on the CPU; the same one gives the same changes on every device.

    Returns:
        The same shape and range.
    """
    count = len(images)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    images = (images - mean) * _factors(count, settings.contrast, 1, images, generator) + mean
    images = images * _factors(count, settings.brightness, 1, images, generator)
    images = images * _factors(count, settings.tint, 3, images, generator)
    grey = (torch.rand((count, 1, 1, 1), generator=generator) < settings.grey).to(images.device)
    images = torch.where(grey, images.mean(dim=1, keepdim=True), images)
    return motion_blur(images, settings, generator).clamp(0, 255)


def motion_blur(images: torch.Tensor, settings: Photometry, generator: torch.Generator) -> torch.Tensor:
    """Smear a share of the images along straight lines of random direction and length."""
    chosen = torch.nonzero(torch.rand(len(images), generator=generator) < settings.blur).flatten()
    if not len(chosen):
        return images
    size = settings.blur_length | 1
    lengths = torch.rand(len(chosen), generator=generator) * (size - 2) + 2
    angles = torch.rand(len(chosen), generator=generator) * torch.pi
    kernels = line_kernels(lengths, angles, size).to(images.device, images.dtype)
    chosen = chosen.to(images.device)
    channels = images.shape[1]
    # One group a channel of every chosen image.
    stacked = images[chosen].reshape(1, -1, *images.shape[2:])
    padded = functional.pad(stacked, (size // 2,) * 4, mode="replicate")
    smeared = functional.conv2d(padded, kernels.repeat_interleave(channels, dim=0)[:, None], groups=stacked.shape[1])
    return images.index_copy(0, chosen, smeared.reshape(-1, *images.shape[1:]))


def line_kernels(lengths: torch.Tensor, angles: torch.Tensor, size: int) -> torch.Tensor:
    """Kernels (N, size, size), each of sum 1, that smear along lines through their middle.

    Args:
        lengths: (N,) of the lines in pixels.
        angles: (N,) in radians, from the x axis towards the y axis, which points down.
        size: odd.
    """
    steps = torch.linspace(-0.5, 0.5, 2 * size)
    reach = lengths[:, None] * steps
    columns, rows = (
        (size // 2 + reach * direction[:, None]).round().long().clamp(0, size - 1)
        for direction in (torch.cos(angles), torch.sin(angles))
    )
    kernels = torch.zeros(len(lengths), size * size)
    kernels.scatter_add_(1, rows * size + columns, torch.full_like(reach, 1 / len(steps)))
    return kernels.view(-1, size, size)


@dataclass(frozen=True)
class Jitter:
    """How far views of a crop may differ from its middle at its own scale.

    Attributes:
        shift: largest displacement along each axis in crop pixels, drawn uniformly.
        scale: largest relative change of scale, drawn uniformly.
        stretch: largest relative change along each axis by itself, on top of that.
        rotation: largest turn about the middle in degrees, drawn uniformly.
        shear: largest slant, columns a row, drawn uniformly.
    """

    shift: NotNegative = 0.0
    scale: Annotated[float, Ge(0), Lt(1)] = 0.0
    stretch: Annotated[float, Ge(0), Lt(1)] = 0.0
    rotation: Annotated[float, Ge(0), Le(180)] = 0.0
    shear: Annotated[float, Ge(0), Lt(1)] = 0.0

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class Views:
    """Which parts of a batch of crops are looked at; all tensors lie on the crops' device.

    Attributes:
        shift: (N, 2), where a view's middle lies, in crop pixels (x, y) from the crop's middle.
        scale: (N, 2), crop pixels for each pixel of the view along x and y.
        flip: bool (N,), the crop is mirrored left and right about its middle first.
        turn: (N, 2, 2), what turns and slants offsets in the view, already scaled, to those in the crop; None for none.
    """

    shift: torch.Tensor
    scale: torch.Tensor
    flip: torch.Tensor
    turn: torch.Tensor | None = None

    @classmethod
    def draw(cls, jitter: Jitter, flip: torch.Tensor, generator: torch.Generator) -> Views:
        """Random views.

        Args:
            jitter: how far.
            flip: bool (N,), which are mirrored: the two crops of a pair must agree.
            generator: on the CPU; the same one gives the same views on every device.
        """

        def uniform(columns: int) -> torch.Tensor:
            return 2 * torch.rand((len(flip), columns), generator=generator) - 1

        shift = uniform(2) * jitter.shift
        scale = 1 + uniform(1) * jitter.scale + uniform(2) * jitter.stretch
        turn = None
        if jitter.rotation or jitter.shear:
            angle, slant = uniform(1)[:, 0] * math.radians(jitter.rotation), uniform(1)[:, 0] * jitter.shear
            turn = turns(angle, slant).to(flip.device)
        return cls(shift.to(flip.device), scale.to(flip.device), flip, turn)

    def boxes(self, sizes: torch.Tensor) -> torch.Tensor:
        """Where targets in the middle of the crops lie in the views.

        Args:
            sizes: (N, 2), width and height in crop pixels.

        Returns:
            (N, 4): centre (x, y) from the view's middle, width and height, in pixels of the view. Of a target that is
            turned they are those around the ellipse that fills its box, which grow less than those around the box.
        """
        return self.place(torch.cat((torch.zeros_like(sizes), sizes), dim=1))

    def place(self, boxes: torch.Tensor) -> torch.Tensor:
        """Where boxes of the crops lie in the views, as ``boxes`` has them.

        Args:
            boxes: (N, 4), centre (x, y) from the crop's middle, width and height in crop pixels.
        """
        sign = torch.where(self.flip, -1.0, 1.0)
        middles = boxes[:, :2] * torch.stack((sign, torch.ones_like(sign)), dim=1) - self.shift
        if self.turn is None:
            return torch.cat((middles / self.scale, boxes[:, 2:] / self.scale), dim=1)
        to_view = torch.linalg.inv(self.turn) / self.scale[:, :, None]
        centres = torch.einsum("nij,nj->ni", to_view, middles)
        extents = (to_view * boxes[:, None, 2:]).square().sum(dim=2).sqrt()
        return torch.cat((centres, extents), dim=1)

    def _turned(self, offsets: torch.Tensor, sign: torch.Tensor) -> torch.Tensor:
        """Where the pixels of views lie in the crops, (N, size, size, 2) from their middles, in crop pixels."""
        assert self.turn is not None
        rows, columns = torch.meshgrid(offsets, offsets, indexing="ij")
        scaled = torch.stack((columns, rows), dim=-1) * self.scale[:, None, None]
        places = torch.einsum("nij,nrcj->nrci", self.turn, scaled) + self.shift[:, None, None]
        return places * torch.stack((sign, torch.ones_like(sign)), dim=1)[:, None, None]

    def resample(self, crops: torch.Tensor, size: int) -> torch.Tensor:
        """The views of context crops.

        Args:
            crops: uint8 (N, S, S, 3).
            size: side of the views in pixels.

        Returns:
            float32 (N, 3, size, size) in 0..255, channels last in memory; continued with the crop's mean colour.
        """
        images = crops.permute(0, 3, 1, 2).float()
        return sample_on_mean(images, self._places(size, crops.shape[1]))

    def _places(self, size: int, side: int) -> torch.Tensor:
        """Where the pixels of views lie in crops of a side, (N, size, size, 2) in -1..1 between the crop's edges."""
        offsets = torch.arange(size, device=self.shift.device, dtype=torch.float32) + 0.5 - size / 2
        sign = 1.0 - 2.0 * self.flip.float()
        if self.turn is not None:
            return self._turned(offsets, sign) * (2 / side)
        along_x = (self.shift[:, :1] + offsets * self.scale[:, :1]) * sign[:, None] * (2 / side)
        along_y = (self.shift[:, 1:] + offsets * self.scale[:, 1:]) * (2 / side)
        return crossings(along_x, along_y)


def turns(angle: torch.Tensor, slant: torch.Tensor) -> torch.Tensor:
    """Matrices (N, 2, 2) that slant by so many columns a row and then turn by an angle (N,) in radians.

    Angles go from the x axis towards the y axis, which points down.
    """
    cos, sin, one, zero = torch.cos(angle), torch.sin(angle), torch.ones_like(angle), torch.zeros_like(angle)
    turned = torch.stack((cos, -sin, sin, cos), dim=1).view(-1, 2, 2)
    return turned @ torch.stack((one, slant, zero, one), dim=1).view(-1, 2, 2)


def draw_flips(count: int, probability: float, device: torch.device, generator: torch.Generator) -> torch.Tensor:
    """bool (count,) on the device: which samples are mirrored."""
    return (torch.rand(count, generator=generator) < probability).to(device)
