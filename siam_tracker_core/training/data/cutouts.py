"""Objects with alpha, composed over backgrounds: pairs in which only the object stays the same.

Such pairs teach that the surroundings are not the target.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets.alpha import Cutting, cuttings, solid, trimmed, weighted
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.geometry import context_size
from siam_tracker_core.training.data.crop_store import EXEMPLAR_SIZE

Pixels = NDArray[np.uint8]
Size = tuple[float, float]

# Larger than any object in a crop, so that objects are mostly reduced.
LARGEST = 256


@dataclass(frozen=True)
class CutOut:
    """One object.

    Attributes:
        pixels: float32 (h, w, 4): BGR in 0..255, multiplied by alpha, and alpha in 0..1.
        outline: (n, 2) corners ``x, y`` of the convex hull of what can be seen of it, in pixels of ``pixels``.
    """

    pixels: NDArray[np.float32]
    outline: NDArray[np.float64]


class CutOuts:
    """A folder of PNG files with alpha, read once.

    Args:
        folder: holds the files.

    Raises:
        DatasetError: if the folder is missing or holds no PNG with alpha.
    """

    def __init__(self, folder: str | Path) -> None:
        self.objects = [found for image in cuttings(folder) if (found := _cut_out(image)) is not None]
        if not self.objects:
            raise DatasetError(f"{folder} holds PNG files with alpha, but what they show is nowhere opaque")

    def __len__(self) -> int:
        return len(self.objects)

    def pair(
        self, number: int, backgrounds: tuple[Pixels, Pixels], rng: np.random.Generator
    ) -> tuple[tuple[Pixels, Size], tuple[Pixels, Size]]:
        """Two context crops with one object in the middle of both, at the scale that ``prepare`` gives a target.

        Args:
            number: of the object.
            backgrounds: two crops (s, s, 3) BGR, which are moved behind the object.
            rng: for turning (3 and 10 degrees of standard deviation), the second one's scale (0.9 to 1.1), and the
                backgrounds.

        Returns:
            For exemplar and search crop: uint8 (s, s, 3) BGR, and width and height of the object in pixels of the crop.
        """
        thing = self.objects[number]
        spreads, angles = (1.0, float(rng.uniform(0.9, 1.1))), rng.normal(0, (3, 10))
        first, second = (
            compose(background, thing, spread, float(angle), rng)
            for background, spread, angle in zip(backgrounds, spreads, angles, strict=True)
        )
        return first, second


def _cut_out(image: Cutting) -> CutOut | None:
    """The object's own rectangle, at most LARGEST a side; None where nothing is opaque."""
    opaque = solid(image)
    if not opaque.any():
        return None
    pixels = weighted(trimmed(image, opaque))
    pixels = _reduced(pixels, min(1.0, LARGEST / max(pixels.shape[:2])))
    seen = np.argwhere(pixels[..., 3] > 0.5)[:, ::-1].astype(np.float32)
    if not len(seen):
        return None
    # The corners of the pixels, not their centres, bound the object.
    corners = np.concatenate([seen + offset for offset in ((0, 0), (1, 0), (0, 1), (1, 1))]).astype(np.float32)
    return CutOut(pixels, cv2.convexHull(corners)[:, 0].astype(np.float64))


def _reduced(pixels: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """An image made smaller without aliasing."""
    size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def compose(
    background: Pixels, thing: CutOut, spread: float, angle: float, rng: np.random.Generator
) -> tuple[Pixels, Size]:
    """The object in the middle of a background that is moved at random.

    Args:
        background: uint8 (s, s, 3).
        thing: the object.
        spread: its size, relative to the one at which its context square has 127 pixels.
        angle: by which it is turned, in degrees.
        rng: for the background's move.

    Returns:
        The crop, and the object's width and height in it.
    """
    side = len(background)
    radians = np.deg2rad(angle)
    turn = np.array([[np.cos(radians), np.sin(radians)], [-np.sin(radians), np.cos(radians)]])
    turned = thing.outline @ turn.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    width, height = high - low
    scale = spread * EXEMPLAR_SIZE / context_size(width, height)
    # OpenCV's resampling aliases below one half; what is left to it here is turning and a little scaling.
    pixels = _reduced(thing.pixels, scale) if scale < 0.7 else thing.pixels
    ratio = np.array([thing.pixels.shape[1] / pixels.shape[1], thing.pixels.shape[0] / pixels.shape[0]])
    linear = scale * turn * ratio
    canvas = np.roll(background, rng.integers(-side // 3, side // 3, size=2), axis=(0, 1))
    # Only the square around the middle that the object can reach is drawn on.
    reach = min(side / 2, float(np.ceil(scale * max(width, height) / 2)) + 2)
    first, last = int(side / 2 - reach), int(np.ceil(side / 2 + reach))
    # The middle of the turned object's box goes to the middle of the crop; OpenCV counts from pixel centres.
    offset = side / 2 - first - 0.5 - scale * (low + high) / 2 + linear @ np.array([0.5, 0.5])
    layer = cv2.warpAffine(
        pixels, np.column_stack([linear, offset]), (last - first, last - first), flags=cv2.INTER_LINEAR
    )
    part = canvas[first:last, first:last]
    part[:] = np.clip(np.rint(part * (1 - layer[..., 3:]) + layer[..., :3]), 0, 255)
    return canvas, (float(scale * width), float(scale * height))
