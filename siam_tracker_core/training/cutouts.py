"""Objects with alpha, composed over backgrounds: pairs in which only the object stays the same."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.geometry import context_size
from siam_tracker_core.training.store import CROP_SIZE, EXEMPLAR_SIZE, CropStore

# Larger than any object in a crop, so that objects are only ever reduced.
LARGEST = 256


class CutOuts:
    """A folder of PNG files with alpha, read once.

    Args:
        folder: holds the files.

    Raises:
        DatasetError: if the folder is missing or holds no PNG with alpha.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        if not folder.is_dir():
            raise DatasetError(f"{folder} is not a folder; expected PNG files with alpha in it")
        self.objects = [trimmed for path in sorted(folder.glob("*.png")) if (trimmed := _trimmed(path)) is not None]
        if not self.objects:
            raise DatasetError(f"{folder} holds no PNG file with alpha")

    def __len__(self) -> int:
        return len(self.objects)

    def pair(self, store: CropStore, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Two context crops (CROP_SIZE, CROP_SIZE, 3) with one object in the middle, mostly before two backgrounds."""
        thing = self.objects[rng.integers(len(self.objects))]
        height, width = thing.shape[:2]
        scale = EXEMPLAR_SIZE / context_size(width, height)
        # One time in four the background stays, as in a video with a fixed camera, and is moved behind the object.
        backgrounds = rng.integers(len(store), size=2)
        backgrounds = backgrounds[[0, 0]] if rng.random() < 0.25 else backgrounds
        first, second = (
            _compose(store.pixels[number], thing, scale * spread, angle, rng)
            for number, spread, angle in zip(
                backgrounds, (1.0, rng.uniform(0.9, 1.1)), rng.normal(0, (3, 10)), strict=True
            )
        )
        return first, second


def _trimmed(path: Path) -> NDArray[np.float32] | None:
    """The object's own rectangle, BGR and alpha in 0..255, at most LARGEST a side; None where there is no alpha."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3 or image.shape[2] != 4 or not image[..., 3].any():
        return None
    rows, columns = (np.flatnonzero(image[..., 3].any(axis=axis)) for axis in (1, 0))
    image = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    reduction = min(1.0, LARGEST / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * reduction)), max(1, round(image.shape[0] * reduction)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)


def _compose(
    background: NDArray[np.uint8],
    thing: NDArray[np.float32],
    scale: float,
    angle: float,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """The object, scaled and turned by ``angle`` degrees, in the middle of a background that is moved at random."""
    offset = rng.integers(-CROP_SIZE // 3, CROP_SIZE // 3, size=2)
    canvas = np.roll(background, offset, axis=(0, 1)).astype(np.float32)
    height, width = thing.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, scale)
    matrix[:, 2] += (CROP_SIZE - 1) / 2 - np.array([(width - 1) / 2, (height - 1) / 2])
    layer = cv2.warpAffine(thing, matrix, (CROP_SIZE, CROP_SIZE), flags=cv2.INTER_AREA)
    alpha = layer[..., 3:] / 255
    return (canvas * (1 - alpha) + layer[..., :3] * alpha).astype(np.uint8)
