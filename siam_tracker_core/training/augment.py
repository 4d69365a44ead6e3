"""Augmentation of whole batches on the device; crops stay uint8 until they arrive here."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True)
class Photometry:
    """How colours change. All are the largest relative changes, or probabilities.

    Attributes:
        brightness, contrast, tint: a factor is drawn uniformly from 1 - value to 1 + value (tint: for each channel).
        grey: probability of a picture without colour.
        blur: probability of motion blur.
        blur_length: its largest length in pixels.
    """

    brightness: float = 0.25
    contrast: float = 0.25
    tint: float = 0.08
    grey: float = 0.15
    blur: float = 0.2
    blur_length: int = 9


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
    steps = torch.linspace(-0.5, 0.5, 2 * size)
    middle = size // 2
    kernels = torch.zeros(len(chosen), size, size)
    for kernel, length, angle in zip(kernels, lengths, angles, strict=True):
        columns = (middle + steps * length * torch.cos(angle)).round().long().clamp(0, size - 1)
        rows = (middle + steps * length * torch.sin(angle)).round().long().clamp(0, size - 1)
        kernel.index_put_((rows, columns), torch.ones(len(steps)), accumulate=True)
    kernels = (kernels / kernels.sum(dim=(1, 2), keepdim=True)).to(images.device)
    smeared = images.clone()
    # One group a channel of every chosen image.
    stacked = images[chosen].reshape(1, -1, *images.shape[2:])
    weights = kernels.repeat_interleave(3, dim=0)[:, None].to(images.dtype)
    padded = functional.pad(stacked, (middle,) * 4, mode="replicate")
    smeared[chosen] = functional.conv2d(padded, weights, groups=stacked.shape[1]).reshape(-1, *images.shape[1:])
    return smeared


def resample(
    crops: torch.Tensor, size: int, shift: torch.Tensor, scale: torch.Tensor, flip: torch.Tensor
) -> torch.Tensor:
    """Cut and warp the middle of context crops.

    Args:
        crops: uint8 (N, S, S, 3).
        size: side of the result in pixels.
        shift: (N, 2), where the result's middle lies, in crop pixels (x, y) from the crop's middle.
        scale: (N, 2), crop pixels for each pixel of the result along x and y.
        flip: bool (N,), mirror left and right about the crop's middle first.

    Returns:
        float32 (N, 3, size, size) in 0..255, channels last in memory; continued with the crop's mean colour.
    """
    images = crops.permute(0, 3, 1, 2).float()
    mean = images.mean(dim=(2, 3), keepdim=True)
    side = crops.shape[1]
    offsets = torch.arange(size, device=crops.device, dtype=torch.float32) + 0.5 - size / 2
    sign = 1.0 - 2.0 * flip.float()
    along_x = (shift[:, :1] + offsets * scale[:, :1]) * sign[:, None] * (2 / side)
    along_y = (shift[:, 1:] + offsets * scale[:, 1:]) * (2 / side)
    grid = torch.stack((along_x[:, None, :].expand(-1, size, -1), along_y[:, :, None].expand(-1, -1, size)), dim=-1)
    sampled = functional.grid_sample(images - mean, grid, mode="bilinear", align_corners=False)
    return (sampled + mean).contiguous(memory_format=torch.channels_last)
