"""PNG files with alpha: objects that were cut out of their pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.files import naturally

# (h, w, 4), BGR and alpha.
Cutting = NDArray[np.uint8]


def read_cutting(path: Path) -> Cutting:
    """The pixels of one file; 16 bits a channel become 8.

    Raises:
        DatasetError: if it cannot be read or has no alpha.
    """
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise DatasetError(f"{path} is not a readable image")
    if image.ndim != 3 or image.shape[2] != 4:
        raise DatasetError(f"{path} has no alpha")
    return image if image.dtype == np.uint8 else (image // 257).astype(np.uint8)


def cuttings(folder: str | Path) -> Iterator[Cutting]:
    """The pixels of those PNG files of a folder that have alpha, by name; others are passed over.

    Raises:
        DatasetError: if there is no such folder, or none such in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; expected PNG files with alpha in it")
    empty = True
    for path in naturally(folder.glob("*.png")):
        try:
            image = read_cutting(path)
        except DatasetError:
            continue
        if image[..., 3].any():
            empty = False
            yield image
    if empty:
        raise DatasetError(f"{folder} holds no PNG file with alpha")


def trimmed(image: Cutting, seen: NDArray[np.bool_]) -> Cutting:
    """The smallest part of an image that holds all pixels ``seen`` (h, w), of which there is one at least."""
    rows, columns = (np.flatnonzero(seen.any(axis=axis)) for axis in (1, 0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def solid(image: Cutting) -> NDArray[np.bool_]:
    """Which pixels (h, w) are more opaque than transparent."""
    return image[..., 3] > 127


def weighted(image: Cutting) -> NDArray[np.float32]:
    """BGR in 0..255, multiplied by alpha, and alpha in 0..1.

    Transparent pixels may have any colour; multiplied by alpha, it does not bleed into the edge when resampled.
    """
    pixels = image.astype(np.float32)
    pixels[..., 3] /= 255
    pixels[..., :3] *= pixels[..., 3:]
    return pixels
