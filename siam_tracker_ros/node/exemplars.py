"""A target's first look, kept so that the target can be followed again by another tracker than the one that had it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from siam_tracker_core import Box
from siam_tracker_ros.image_conversion import BgrImage

_MARGIN = 1.5  # of the box's own size on each side: what trackers look at around a target
_MOST = 512  # pixels a side; an exemplar is reduced to less than that by every tracker


@dataclass(frozen=True, eq=False)
class Exemplar:
    """A piece of the image that a target was set on.

    Attributes:
        pixels: uint8 (H, W, 3) BGR.
        box: the target in it, in pixels.
    """

    pixels: BgrImage
    box: Box

    @classmethod
    def cut(cls, image: BgrImage, box: Box) -> Exemplar:
        """The target and what is around it; large pieces are reduced.

        Args:
            image: uint8 (H, W, 3) BGR; copied.
            box: the target in its pixels, inside it at least in part.
        """
        height, width = image.shape[:2]
        across, down = _MARGIN * box.width, _MARGIN * box.height
        left, top = max(0, math.floor(box.x - across)), max(0, math.floor(box.y - down))
        right = min(width, math.ceil(box.x + box.width + across))
        bottom = min(height, math.ceil(box.y + box.height + down))
        piece = image[top:bottom, left:right].copy()
        moved = Box(box.x - left, box.y - top, box.width, box.height)
        return cls(piece, moved).scaled(min(1.0, _MOST / max(piece.shape[:2])))

    def scaled(self, factor: float) -> Exemplar:
        """The same, ``factor`` times as large in both directions."""
        if factor == 1.0:
            return self
        size = tuple(max(1, round(side * factor)) for side in self.pixels.shape[1::-1])
        pixels = cv2.resize(self.pixels, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
        x, y = size[0] / self.pixels.shape[1], size[1] / self.pixels.shape[0]
        box = Box(self.box.x * x, self.box.y * y, self.box.width * x, self.box.height * y)
        return Exemplar(np.asarray(pixels, dtype=np.uint8), box)

    def placed(self, box: Box, image_size: tuple[int, int]) -> tuple[BgrImage, Box]:
        """An image in which this target is where ``box`` is, and nothing else is to be seen.

        A tracker that is shown it takes the exemplar from it, and looks around ``box`` in the next image.

        Args:
            box: where the target was seen last, in pixels.
            image_size: width and height of the images, in pixels.

        Returns:
            uint8 (H, W, 3) BGR, and the box of the target in it: centred in ``box``, and of its area.
        """
        width, height = image_size
        factor = math.sqrt(box.width * box.height / (self.box.width * self.box.height))
        piece = self.scaled(factor)
        canvas = np.empty((height, width, 3), dtype=np.uint8)
        canvas[:] = np.asarray(cv2.mean(self.pixels)[:3], dtype=np.uint8)
        left = round(box.x + box.width / 2 - piece.box.x - piece.box.width / 2)
        top = round(box.y + box.height / 2 - piece.box.y - piece.box.height / 2)
        _paste(canvas, piece.pixels, left, top)
        return canvas, Box(piece.box.x + left, piece.box.y + top, piece.box.width, piece.box.height)


def _paste(canvas: BgrImage, piece: BgrImage, left: int, top: int) -> None:
    height, width = canvas.shape[:2]
    first_x, first_y = max(0, left), max(0, top)
    last_x, last_y = min(width, left + piece.shape[1]), min(height, top + piece.shape[0])
    if first_x < last_x and first_y < last_y:
        canvas[first_y:last_y, first_x:last_x] = piece[first_y - top : last_y - top, first_x - left : last_x - left]
