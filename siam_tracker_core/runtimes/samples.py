"""Crops of pictures: what graphs are checked and quantised on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from siam_tracker_core.crop import Frame
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.geometry import Box, Window, context_size

_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png"}
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Sample:
    """A target in one picture, and a place to search for it in another.

    Attributes:
        first, second: uint8 (H, W, 3) BGR.
        box: of the target in the first.
        near: roughly where it is in the second.
    """

    first: NDArray[np.uint8]
    second: NDArray[np.uint8]
    box: Box
    near: Box

    def exemplar(self, size: int, context: float) -> torch.Tensor:
        """The exemplar crop (1, 3, size, size)."""
        side = context_size(self.box.width, self.box.height, context)
        return Frame.upload(self.first, _CPU).crops([Window(*self.box.centre, side)], size)

    def search(self, size: int, exemplar_size: int, context: float) -> torch.Tensor:
        """The search crop (1, 3, size, size)."""
        side = context_size(self.near.width, self.near.height, context) * size / exemplar_size
        return Frame.upload(self.second, _CPU).crops([Window(*self.near.centre, side)], size)


def samples_of_pictures(pictures: Sequence[NDArray[np.uint8]], count: int, seed: int = 0) -> Iterator[Sample]:
    """Targets at random places of pictures, a little elsewhere in the same picture.

    Args:
        pictures: uint8 (H, W, 3) BGR.
        count: how many samples.
        seed: of their places.
    """
    random = np.random.default_rng(seed)
    for number in range(count):
        picture = pictures[number % len(pictures)]
        height, width = picture.shape[:2]
        side = random.uniform(0.08, 0.3) * min(height, width)
        ratio = random.uniform(0.6, 1.6)
        box = Box.from_centre(
            random.uniform(0.1, 0.9) * width, random.uniform(0.1, 0.9) * height, side * ratio, side / ratio
        )
        shift = random.uniform(-0.4, 0.4, 2) * side
        near = Box(box.x + float(shift[0]), box.y + float(shift[1]), box.width, box.height)
        yield Sample(picture, picture, box, near)


def pictures_in(folder: Path | None, most: int = 32) -> list[NDArray[np.uint8]]:
    """Pictures of a folder, spread over all that it holds; made ones where none is given.

    Args:
        folder: holds images at any depth.
        most: how many to read.

    Raises:
        ConfigError: if the folder holds no image that can be read.
    """
    if folder is None:
        return made_pictures()
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    taken = (
        [paths[place] for place in np.linspace(0, len(paths) - 1, min(most, len(paths))).astype(int)] if paths else []
    )
    pictures = [image for path in taken if (image := cv2.imread(str(path), cv2.IMREAD_COLOR)) is not None]
    if not pictures:
        raise ConfigError(f"{folder} holds no image that can be read ({', '.join(sorted(_SUFFIXES))})")
    return pictures  # type: ignore[return-value]


def made_pictures(count: int = 4) -> list[NDArray[np.uint8]]:
    """Photographs of scikit-image where it is installed, else random texture of several scales."""
    try:
        from skimage import data
    except ImportError:
        return [_texture(number) for number in range(count)]
    photographs = (data.astronaut(), data.chelsea(), data.coffee(), data.rocket())
    return [np.ascontiguousarray(picture[..., ::-1]) for picture in photographs[:count]]


def _texture(seed: int) -> NDArray[np.uint8]:
    """uint8 (480, 640, 3) whose contrast is spread over all scales, as in photographs."""
    random = np.random.default_rng(seed)
    layers = [
        cv2.resize(
            random.standard_normal((480 // step, 640 // step, 3)) * step, (640, 480), interpolation=cv2.INTER_CUBIC
        )
        for step in (4, 16, 60, 160)
    ]
    summed = np.sum(layers, axis=0)
    return np.clip(128 + summed * (60 / summed.std()), 0, 255).astype(np.uint8)
