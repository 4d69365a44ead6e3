"""What made scenes are put together from: smooth colours, and textures at places between pixels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets.made import BgrImage


def smooth_colours(rng: np.random.Generator, size: tuple[int, int], cell: int) -> BgrImage:
    """Colours at random, uint8 (*size, 3), blurred to blobs of about ``cell`` pixels."""
    small = rng.uniform(0, 255, (max(2, size[0] // cell), max(2, size[1] // cell), 3)).astype(np.float32)
    large = cv2.resize(small, size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(large, 0, 255).astype(np.uint8)


def mixed(own: BgrImage, other: BgrImage, share: float) -> BgrImage:
    """Two pictures of one size as one, ``share`` of it the first one's."""
    return cv2.addWeighted(own, share, other, 1 - share, 0).astype(np.uint8)


def dull_background(rng: np.random.Generator, size: tuple[int, int]) -> BgrImage:
    """A background, uint8 (*size, 3), of less contrast than what is put before it."""
    return mixed(smooth_colours(rng, size, 24), np.full((*size, 3), 128, np.uint8), 0.4)


def paste(image: BgrImage, texture: BgrImage, centre: NDArray[np.float64]) -> None:
    """Put a texture into an image with the precision of a sixteenth of a pixel, where it is inside."""
    rows, columns = texture.shape[:2]
    matrix = np.array([[1, 0, centre[0] - columns / 2], [0, 1, centre[1] - rows / 2]])
    size = (image.shape[1], image.shape[0])
    moved = cv2.warpAffine(texture, matrix, size, borderMode=cv2.BORDER_CONSTANT)
    mask = cv2.warpAffine(np.full((rows, columns), 255, np.uint8), matrix, size) > 127
    image[mask] = moved[mask]


def noisy(image: BgrImage, rng: np.random.Generator) -> BgrImage:
    """The image with a camera's noise of three grey levels."""
    return np.clip(image.astype(np.float32) + rng.normal(scale=3, size=image.shape), 0, 255).astype(np.uint8)
