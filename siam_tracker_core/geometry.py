"""Boxes, overlaps and the square windows that trackers look through.

Coordinates are continuous image coordinates in pixels: the top-left pixel covers [0, 1) x [0, 1), so its centre lies at
(0.5, 0.5) and the box around it is ``Box(0, 0, 1, 1)``. Where pixels are sampled by index (OpenCV), the index of a
point is its coordinate minus one half.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import SupportsFloat, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike, DTypeLike, NDArray

from siam_tracker_core.errors import BoxError

FloatArray = NDArray[np.float64]

# In pixels. No image reaches further; squares of such numbers are still exact enough to compute with.
FURTHEST = 1e6


def within_reach(values: ArrayLike) -> bool:
    """Whether numbers are finite and could be pixels of an image, which a damaged file's may not be."""
    return bool((np.abs(np.asarray(values, dtype=np.float64)) <= FURTHEST).all())


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned box in continuous image coordinates.

    It unpacks (``x, y, width, height = box``) and converts (``np.asarray(box)``, ``torch.tensor(list(box))``).

    Attributes:
        x: left edge in pixels.
        y: top edge in pixels.
        width: extent along x in pixels.
        height: extent along y in pixels.
    """

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def from_centre(cls, centre_x: float, centre_y: float, width: float, height: float) -> Box:
        """The box of the given size around a centre, all in pixels."""
        return cls(centre_x - width / 2, centre_y - height / 2, width, height)

    @classmethod
    def from_corners(cls, left: float, top: float, right: float, bottom: float) -> Box:
        """The box between two opposite corners, in pixels."""
        return cls(left, top, right - left, bottom - top)

    @classmethod
    def from_array(cls, values: BoxLike) -> Box:
        """The box of four numbers ``x, y, width, height``: a list, an array, a tensor on any device, another box.

        Raises:
            BoxError: if ``values`` does not hold exactly four numbers.
        """
        if isinstance(values, torch.Tensor):
            values = values.detach().cpu().double().numpy()
        try:
            listed = values if isinstance(values, np.ndarray) or not isinstance(values, Iterable) else list(values)
            numbers = np.asarray(listed, dtype=np.float64).ravel()
        except (TypeError, ValueError):
            raise BoxError(f"a box needs 4 numbers (x, y, width, height), got {values!r}") from None
        if numbers.size != 4 or isinstance(values, str):
            raise BoxError(f"a box needs 4 numbers (x, y, width, height), got {numbers.size}")
        return cls(*numbers.tolist())

    def __iter__(self) -> Iterator[float]:
        return iter((self.x, self.y, self.width, self.height))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[np.generic]:
        return self.to_array() if dtype is None else self.to_array().astype(dtype)

    @property
    def right(self) -> float:
        """Right edge in pixels."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Bottom edge in pixels."""
        return self.y + self.height

    @property
    def centre(self) -> tuple[float, float]:
        """Centre (x, y) in pixels."""
        return self.x + self.width / 2, self.y + self.height / 2

    @property
    def area(self) -> float:
        """In square pixels."""
        return self.width * self.height

    def to_array(self) -> FloatArray:
        """``[x, y, width, height]`` as float64."""
        return np.array([self.x, self.y, self.width, self.height], dtype=np.float64)

    def iou(self, other: Box) -> float:
        """Intersection over union with ``other``, in 0..1."""
        return float(iou(self.to_array(), other.to_array()))

    def clipped(self, image_width: float, image_height: float) -> Box:
        """The part of the box inside an image of the given size; of zero extent when nothing is inside."""
        left, top = min(max(self.x, 0.0), image_width), min(max(self.y, 0.0), image_height)
        right, bottom = min(max(self.right, left), image_width), min(max(self.bottom, top), image_height)
        return Box.from_corners(left, top, right, bottom)


# What stands for a box: a ``Box``, or four numbers ``x, y, width, height`` in pixels of any kind.
BoxLike: TypeAlias = Box | Iterable[SupportsFloat] | NDArray[np.generic] | torch.Tensor


def as_box(values: BoxLike) -> Box:
    """A box itself, or the box of four numbers.

    Raises:
        BoxError: if there are not exactly four numbers.
    """
    return values if isinstance(values, Box) else Box.from_array(values)


def check_target_box(box: Box, image_width: int, image_height: int) -> None:
    """Refuse a box that no tracker can start from.

    Raises:
        BoxError: if the box is not finite or beyond all images, has a side under one pixel, shows less than one pixel
            of the image in either direction, or covers the whole image, so that nothing would distinguish the target
            from its surroundings.
    """
    values = (box.x, box.y, box.width, box.height)
    text = "({:g}, {:g}, {:g}, {:g})".format(*values)
    size = f"{image_width}x{image_height}"
    if not all(math.isfinite(value) for value in values):
        raise BoxError(f"the target box {text} is not finite; give x, y, width, height in pixels")
    if not within_reach(values):
        raise BoxError(f"the target box {text} reaches further than any image; give x, y, width, height in pixels")
    if box.width < 1 or box.height < 1:
        raise BoxError(f"the target box {text} is empty; width and height must be at least 1 pixel")
    visible = box.clipped(image_width, image_height)
    if visible.width < 1 or visible.height < 1:
        raise BoxError(f"the target box {text} lies outside the {size} image")
    if visible.width >= image_width and visible.height >= image_height:
        raise BoxError(f"the target box {text} covers the whole {size} image; draw it around the target only")


def iou(first: ArrayLike, second: ArrayLike) -> FloatArray:
    """Intersection over union of boxes.

    Args:
        first, second: arrays (..., 4) of ``x, y, width, height`` that broadcast against each other.

    Returns:
        float64 array of the broadcast shape without its last axis, in 0..1. NaN where a box holds NaN; 0 where both
        boxes are empty.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    intersection = np.prod(np.maximum(high - low, 0.0), axis=-1)
    union = np.prod(a[..., 2:], axis=-1) + np.prod(b[..., 2:], axis=-1) - intersection
    ratio = np.divide(intersection, union, out=np.where(np.isnan(union), np.nan, 0.0), where=union > 0)
    # Rounding must not lift a perfect overlap above 1, which would exceed the last threshold of the success curve.
    return np.asarray(np.minimum(ratio, 1.0))


def context_size(width: float, height: float, context_amount: float = 0.5) -> float:
    """Side of the square that holds a target with its context (SiamFC section 2.4: ``s^2 = (w + 2p)(h + 2p)``).

    Args:
        width, height: target size in pixels.
        context_amount: the margin ``2p`` as a share of ``width + height``; 0.5 gives the paper's ``p = (w + h) / 4``.

    Returns:
        The side in pixels.
    """
    margin = context_amount * (width + height)
    return math.sqrt((width + margin) * (height + margin))


@dataclass(frozen=True, slots=True)
class Window:
    """A square region of the image, to be resampled to a crop.

    Attributes:
        centre_x, centre_y: its centre in image coordinates (pixels); may lie anywhere.
        size: its side in image pixels, positive.
    """

    centre_x: float
    centre_y: float
    size: float

    @property
    def box(self) -> Box:
        """The image region that the window covers."""
        return Box.from_centre(self.centre_x, self.centre_y, self.size, self.size)

    def scaled(self, factor: float) -> Window:
        """The window around the same centre with its side multiplied by ``factor``."""
        return Window(self.centre_x, self.centre_y, self.size * factor)

    def to_crop(self, points: ArrayLike, crop_size: int) -> FloatArray:
        """Map image points (..., 2) to the coordinates of a crop of ``crop_size`` pixels."""
        origin = np.array([self.centre_x, self.centre_y]) - self.size / 2
        return (np.asarray(points, dtype=np.float64) - origin) * (crop_size / self.size)

    def to_image(self, points: ArrayLike, crop_size: int) -> FloatArray:
        """Map points (..., 2) of a crop of ``crop_size`` pixels back to image coordinates; inverse of ``to_crop``."""
        origin = np.array([self.centre_x, self.centre_y]) - self.size / 2
        return np.asarray(points, dtype=np.float64) * (self.size / crop_size) + origin

    def box_to_crop(self, box: Box, crop_size: int) -> Box:
        """Map an image box to crop coordinates."""
        (left, top), (right, bottom) = self.to_crop([[box.x, box.y], [box.right, box.bottom]], crop_size)
        return Box.from_corners(float(left), float(top), float(right), float(bottom))

    def box_to_image(self, box: Box, crop_size: int) -> Box:
        """Map a box in crop coordinates to the image; inverse of ``box_to_crop``."""
        (left, top), (right, bottom) = self.to_image([[box.x, box.y], [box.right, box.bottom]], crop_size)
        return Box.from_corners(float(left), float(top), float(right), float(bottom))
