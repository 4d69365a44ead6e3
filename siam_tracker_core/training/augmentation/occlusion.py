"""Occlusion by pasted cut-outs: a bank of objects on the device, pasted into a whole batch at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import cv2
import numpy as np
import torch
from annotated_types import Gt, Le
from numpy.typing import NDArray

from siam_tracker_core.config import STRICT
from siam_tracker_core.crop import sample_grid
from siam_tracker_core.datasets.alpha import cuttings, trimmed
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.limits import Share

BANK_SIZE = 96


@dataclass(frozen=True)
class Occlusion:
    """How often and how far targets are covered.

    Attributes:
        search_probability: share of search images with something in front of the target.
        exemplar_probability: the same of exemplars.
        min_size, max_size: side of the pasted object, relative to the square root of the target's area; drawn
            uniformly.
    """

    search_probability: Share = 0.2
    exemplar_probability: Share = 0.03
    min_size: Annotated[float, Gt(0), Le(2)] = 0.3
    max_size: Annotated[float, Gt(0), Le(2)] = 0.9

    __pydantic_config__ = STRICT
    __renamed__: ClassVar[dict[str, str]] = {
        "exemplar": "exemplar_probability",
        "largest": "max_size",
        "search": "search_probability",
        "smallest": "min_size",
    }

    def __post_init__(self) -> None:
        if self.min_size > self.max_size:
            raise ConfigError(f"occlusion: min_size is {self.min_size}, more than max_size, {self.max_size}")


def read_bank(folder: str | Path) -> torch.Tensor:
    """Objects of a folder of PNG files with alpha, each trimmed and fitted into a square.

    Returns:
        uint8 (M, 96, 96, 4) BGR and alpha; transparent beside the object.

    Raises:
        DatasetError: if the folder is missing or holds no PNG with alpha.
    """
    return torch.from_numpy(np.stack([_fitted(image) for image in cuttings(folder)]))


def _fitted(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The object's own rectangle, its longer side ``BANK_SIZE``, in the middle of a transparent square."""
    image = trimmed(image, image[..., 3] > 0)
    factor = BANK_SIZE / max(image.shape[:2])
    width, height = (max(1, round(side * factor)) for side in image.shape[1::-1])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    square = np.zeros((BANK_SIZE, BANK_SIZE, 4), np.uint8)
    top, left = (BANK_SIZE - height) // 2, (BANK_SIZE - width) // 2
    square[top : top + height, left : left + width] = small
    return square


def paste(images: torch.Tensor, objects: torch.Tensor, centres: torch.Tensor, sides: torch.Tensor) -> torch.Tensor:
    """Put an object over each image.

    Args:
        images: float (N, 3, H, W) in 0..255, BGR.
        objects: uint8 (N, B, B, 4) BGR and alpha.
        centres: (N, 2), of the pasted square (x, y) in pixels from the image's middle.
        sides: (N,), of the pasted square in pixels.

    Returns:
        The images, each ``(1 - alpha) * image + alpha * object``, resampled bilinearly.
    """
    layers = objects.permute(0, 3, 1, 2).to(images.dtype)
    alpha = layers[:, 3:] / 255
    # Colours weighted by alpha before they are interpolated, lest what is transparent shine through at the edges.
    layers = torch.cat((layers[:, :3] * alpha, alpha), dim=1)
    along = []
    for axis, extent in enumerate((images.shape[3], images.shape[2])):
        offsets = torch.arange(extent, device=images.device, dtype=images.dtype) + 0.5 - extent / 2
        along.append((offsets - centres[:, axis, None]) * (2 / sides[:, None]))
    pasted = sample_grid(layers, along[0], along[1])
    return images * (1 - pasted[:, 3:]) + pasted[:, :3]


def occlude(
    images: torch.Tensor,
    boxes: torch.Tensor,
    bank: torch.Tensor,
    probability: float,
    settings: Occlusion,
    generator: torch.Generator,
) -> torch.Tensor:
    """Cover parts of the targets in a share of the images.

    The object's middle lies anywhere in the target's box.

    Args:
        images: float (N, 3, H, W) in 0..255, BGR.
        boxes: (N, 4), centre from the image's middle, width and height in pixels; without extent, nothing is pasted.
        bank: uint8 (M, 96, 96, 4) on the images' device.
        probability: of an object in an image.
        settings: its size.
        generator: on the CPU; the same one pastes the same on every device.
    """
    count = len(images)
    chosen = torch.nonzero(torch.rand(count, generator=generator) < probability).flatten()
    draws = torch.rand((count, 3), generator=generator)[chosen].to(images.device)
    mirrored = (torch.rand(count, generator=generator) < 0.5)[chosen].to(images.device)
    which = torch.randint(len(bank), (count,), generator=generator)[chosen].to(images.device)
    if not len(chosen):
        return images
    chosen = chosen.to(images.device)
    targets, objects = boxes[chosen], bank[which]
    objects = torch.where(mirrored[:, None, None, None], objects.flip(2), objects)
    share = settings.min_size + (settings.max_size - settings.min_size) * draws[:, 0]
    sides = share * targets[:, 2:].prod(dim=1).sqrt()
    centres = targets[:, :2] + (draws[:, 1:] - 0.5) * targets[:, 2:]
    covered = paste(images[chosen], objects, centres, sides.clamp_min(1e-3))
    covered = torch.where((sides > 0)[:, None, None, None], covered, images[chosen])
    return images.index_copy(0, chosen, covered)
