"""What a composed clip shows: cut-outs that fly over panned photographs, rendered frame by frame."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets.alpha import read_cutting, solid, trimmed, weighted
from siam_tracker_core.datasets.images import read_image
from siam_tracker_core.errors import DatasetError

FloatImage = NDArray[np.float32]

TAU = 2 * math.pi
# Cut-outs of fewer pixels a side show nothing that could be told apart.
_LEAST_SIDE = 16


@dataclass(frozen=True)
class Wave:
    """A smooth function of the frame's index: a sum of two sines around a middle, never further than its reach."""

    middle: float
    reach: float
    periods: tuple[float, float]
    phases: tuple[float, float]

    @classmethod
    def drawn(cls, rng: np.random.Generator, middle: float, reach: float) -> Wave:
        """A wave with periods of two to eight seconds at 30 Hz."""
        periods, phases = rng.uniform(60, 240, 2), rng.uniform(0, TAU, 2)
        return cls(middle, reach, (float(periods[0]), float(periods[1])), (float(phases[0]), float(phases[1])))

    def at(self, index: float) -> float:
        """The value in one frame."""
        first, second = (math.sin(TAU * index / t + p) for t, p in zip(self.periods, self.phases, strict=True))
        return self.middle + self.reach * (0.7 * first + 0.3 * second)


@dataclass(frozen=True)
class Flight:
    """One cut-out on its way.

    Attributes:
        path: the cut-out's file.
        longest: its longer side in pixels at its largest; it is reduced to this once.
        x, y: of the centre of its rectangle, in pixels of the picture.
        growth: logarithm of its size relative to ``longest``, at most 0.
        angle: in radians.
        velocity: in pixels a frame, added to ``x`` and ``y`` from the frame ``meeting`` on, and before it backwards.
        meeting: see ``velocity``.
    """

    path: Path
    longest: int
    x: Wave
    y: Wave
    growth: Wave
    angle: Wave
    velocity: tuple[float, float] = (0.0, 0.0)
    meeting: int = 0

    def layer(self, index: int, width: int, height: int) -> tuple[int, int, FloatImage]:
        """The object as it is drawn in one frame.

        Returns:
            Left and top edge in whole pixels, and float32 (h, w, 4): BGR in 0..255, multiplied by alpha, and alpha in
            0..1; no more than the part inside the picture, which may be empty.
        """
        texture = _cut_out(self.path, self.longest)
        rows, columns = texture.shape[:2]
        scale, angle = math.exp(self.growth.at(index)), self.angle.at(index)
        linear = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        passed = index - self.meeting
        x, y = self.x.at(index) + passed * self.velocity[0], self.y.at(index) + passed * self.velocity[1]
        reach = np.abs(linear) @ np.array([columns, rows]) / 2 + 1  # one more, where the edge fades out
        left, right = _within(x - reach[0], x + reach[0], width)
        top, bottom = _within(y - reach[1], y + reach[1], height)
        if right <= left or bottom <= top:
            return 0, 0, np.zeros((0, 0, 4), np.float32)
        # OpenCV counts from pixel centres: half a pixel less than image coordinates, on both sides.
        offset = np.array([x - left - 0.5, y - top - 0.5]) - linear @ np.array([columns / 2 - 0.5, rows / 2 - 0.5])
        drawn = cv2.warpAffine(
            texture, np.hstack([linear, offset[:, None]]), (right - left, bottom - top), flags=cv2.INTER_LINEAR
        )
        return left, top, np.asarray(drawn, dtype=np.float32)


@dataclass(frozen=True)
class Backdrop:
    """A photograph, panned: it covers the picture, and a margin around it that the pan uses."""

    path: Path
    pan_x: Wave
    pan_y: Wave

    def view(self, index: int, width: int, height: int) -> FloatImage:
        """Float32 (height, width, 3) BGR in 0..255."""
        image = _backdrop(self.path, *_with_margin(width, height))
        # The middle of the photograph lies in the middle of the picture where the pan is 0.
        shift_x = (image.shape[1] - width) / 2 + self.pan_x.at(index)
        shift_y = (image.shape[0] - height) / 2 + self.pan_y.at(index)
        matrix = np.array([[1, 0, shift_x], [0, 1, shift_y]], dtype=np.float64)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(image, matrix, (width, height), flags=flags).astype(np.float32)


@dataclass(frozen=True)
class Scene:
    """All that is drawn by chance for one clip.

    Attributes:
        width, height: of the picture in pixels.
        target: the object with the box.
        occluder: the object that passes in front of it, if any.
        backdrops: the photograph, and the one that replaces it, if any.
        cut: the first frame with the second photograph.
    """

    width: int
    height: int
    target: Flight
    occluder: Flight | None
    backdrops: tuple[Backdrop, ...]
    cut: int

    def backdrop(self, index: int) -> Backdrop:
        """What is behind the target in one frame."""
        return self.backdrops[-1 if index >= self.cut else 0]

    def render(self, index: int) -> NDArray[np.uint8]:
        """One frame as uint8 (height, width, 3) BGR.

        Raises:
            DatasetError: if the photograph cannot be read.
        """
        canvas = self.backdrop(index).view(index, self.width, self.height)
        for flight in (self.target, self.occluder):
            if flight is not None:
                left, top, layer = flight.layer(index, self.width, self.height)
                part = canvas[top : top + layer.shape[0], left : left + layer.shape[1]]
                part *= 1 - layer[..., 3:]
                part += layer[..., :3]
        return np.clip(np.rint(canvas), 0, 255).astype(np.uint8)

    def truth(self, index: int) -> tuple[NDArray[np.float64], float]:
        """The target's box, NaN where nothing of it can be seen, and its visibility in one frame."""
        left, top, layer = self.target.layer(index, self.width, self.height)
        mask = layer[..., 3] > 0.5
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        seen = mask & ~self._hidden(index, left, top, mask.shape)
        if not seen.any():
            return np.full(4, np.nan), 0.0
        low, high = (columns[0], rows[0]), (columns[-1] + 1, rows[-1] + 1)
        box = np.array([left + low[0], top + low[1], high[0] - low[0], high[1] - low[1]], dtype=np.float64)
        return box, float(seen.sum() / mask.sum())

    def _hidden(self, index: int, left: int, top: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Which pixels of a part of the picture the occluder covers."""
        hidden = np.zeros((self.height, self.width), dtype=np.bool_)
        if self.occluder is not None:
            x, y, layer = self.occluder.layer(index, self.width, self.height)
            hidden[y : y + layer.shape[0], x : x + layer.shape[1]] = layer[..., 3] > 0.5
        return hidden[top : top + shape[0], left : left + shape[1]]


def pan_margins(width: int, height: int) -> tuple[int, int]:
    """By how much the photograph is wider and higher than the picture."""
    return round(0.2 * width), round(0.2 * height)


def _with_margin(width: int, height: int) -> tuple[int, int]:
    across, down = pan_margins(width, height)
    return width + across, height + down


def _within(low: float, high: float, length: int) -> tuple[int, int]:
    """The whole pixels between two edges, inside 0..length."""
    return max(0, math.floor(low)), min(length, math.ceil(high))


def read_cut_out(path: Path) -> FloatImage:
    """The object's own rectangle, float32 (h, w, 4): BGR in 0..255, multiplied by alpha, and alpha in 0..1.

    Raises:
        DatasetError: if the file cannot be read, has no alpha, or shows an object of less than 16 pixels.
    """
    image = read_cutting(path)
    opaque = solid(image)
    rows, columns = (int(opaque.any(axis=axis).sum()) for axis in (1, 0))
    if min(rows, columns) < _LEAST_SIDE:
        raise DatasetError(f"{path} shows an object of {columns}x{rows} pixels; at least 16x16 are needed")
    return weighted(trimmed(image, opaque))


@lru_cache(maxsize=64)
def _cut_out(path: Path, longest: int) -> FloatImage:
    """A cut-out reduced so that its longer side has ``longest`` pixels."""
    pixels = read_cut_out(path)
    rows, columns = pixels.shape[:2]
    factor = longest / max(rows, columns)
    size = max(1, round(columns * factor)), max(1, round(rows * factor))
    reduced = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return np.asarray(reduced, dtype=np.float32)


@lru_cache(maxsize=4)
def _backdrop(path: Path, width: int, height: int) -> NDArray[np.uint8]:
    """A photograph scaled to cover a size, its surplus cut off evenly."""
    image = read_image(path)
    factor = max(width / image.shape[1], height / image.shape[0])
    size = max(width, round(image.shape[1] * factor)), max(height, round(image.shape[0] * factor))
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return np.asarray(scaled[top : top + height, left : left + width], dtype=np.uint8)
