"""Images that change their scale while a target is followed, as where a camera switches its binning.

A target lives in the coordinates of the images that it was shown on. An image of the same picture at another scale is
looked at through a frame with those coordinates, so trackers notice nothing; only the results are taken to the image's
own pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box

if TYPE_CHECKING:
    from siam_tracker_core.trackers.results import TrackResult

Size = tuple[int, int]


def scale_between(size: Size, other: Size) -> float | None:
    """The factor from pixels of one size to pixels of another, where one can be the other at another scale.

    Sides may be rounded to whole pixels, by as much as a pixel each, or two where sensors want even numbers.

    Args:
        size, other: width and height.

    Returns:
        None where the shapes differ, so that the pictures show different parts of the scene.
    """
    factor = ((other[0] * other[1]) / (size[0] * size[1])) ** 0.5
    slack = max(1.0, factor) * 2.0
    if all(abs(side * factor - found) < slack for side, found in zip(size, other, strict=True)):
        return factor
    return None


@dataclass(frozen=True)
class FrameView:
    """A frame in the coordinates of the images that a target was shown on.

    Attributes:
        frame: with those coordinates.
        horizontal, vertical: factors from them to the pixels of the image.
    """

    frame: Frame
    horizontal: float = 1.0
    vertical: float = 1.0

    @classmethod
    def of(cls, frame: Frame, size: Size) -> FrameView | None:
        """A view of a frame for a target that was shown on images of a size; None where the shapes differ."""
        own = (frame.width, frame.height)
        if own == size:
            return cls(frame)
        if scale_between(size, own) is None:
            return None
        return cls(frame.seen_as(*size), own[0] / size[0], own[1] / size[1])

    def to_image(self, result: TrackResult) -> TrackResult:
        """A result in the pixels of the image."""
        if self.horizontal == self.vertical == 1.0:
            return result
        response = result.response
        if response is not None:
            response = response.over(self._scaled(response.box))
        return replace(result, box=self._scaled(result.box), response=response)

    def from_image(self, box: Box) -> Box:
        """A box of the image in the coordinates of the view."""
        return Box(
            box.x / self.horizontal, box.y / self.vertical, box.width / self.horizontal, box.height / self.vertical
        )

    def _scaled(self, box: Box) -> Box:
        return Box(
            box.x * self.horizontal,
            box.y * self.vertical,
            box.width * self.horizontal,
            box.height * self.vertical,
        )
