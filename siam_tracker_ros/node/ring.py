"""The images of the last moments, so that a target drawn on one of them can start there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from siam_tracker_ros.image_conversion import BgrImage, compressed_to_bgr, image_to_bgr
from siam_tracker_ros.stamps import as_text, to_nanoseconds


@dataclass(frozen=True, slots=True, eq=False)
class ReceivedImage:
    """An image message as it came in, not decoded yet.

    Attributes:
        number: counts the images received, from 1.
        message: the message.
        received: when it came, in seconds of ``time.monotonic``.
    """

    number: int
    message: Image | CompressedImage
    received: float

    @property
    def header(self) -> Header:
        """The message's header."""
        return self.message.header

    @property
    def stamp(self) -> int:
        """The image's own time in nanoseconds."""
        return to_nanoseconds(self.message.header.stamp)

    def decode(self) -> BgrImage:
        """uint8 (H, W, 3) BGR.

        Raises:
            ImageError: if the message is not an image that can be read.
        """
        if isinstance(self.message, CompressedImage):
            return compressed_to_bgr(self.message)
        return image_to_bgr(self.message)


class StampRefused(ValueError):
    """No image of the wanted stamp is kept; the sentence says which would do."""


class StampInFuture(StampRefused):
    """The wanted image has not come yet, but may."""


class FrameRing:
    """The newest images, oldest first. Not locked: its owner does that.

    Args:
        capacity: how many images are kept.
        source: the topic that they come from, for people.
    """

    def __init__(self, capacity: int, source: str) -> None:
        self._source = source
        self._images: deque[ReceivedImage] = deque(maxlen=capacity)

    def __len__(self) -> int:
        return len(self._images)

    def add(self, image: ReceivedImage) -> bool:
        """Keep an image, and forget the oldest when there are too many.

        Returns:
            False if its stamp is before the newest one's: time jumped back, and all older images were forgotten, for
            the same stamps may now come again.
        """
        in_order = not self._images or image.stamp >= self._images[-1].stamp
        if not in_order:
            self._images.clear()
        self._images.append(image)
        return in_order

    def clear(self) -> None:
        """Forget all images."""
        self._images.clear()

    def find(self, stamp: int) -> ReceivedImage:
        """The image with exactly this stamp in nanoseconds; the newest image for 0.

        Raises:
            StampInFuture: if the stamp is after the newest image's, or there is no image.
            StampRefused: if the stamp is before the oldest image's, or between two images.
        """
        if not self._images:
            raise StampInFuture(f"no image has been received yet on {self._source}")
        if stamp == 0:
            return self._images[-1]
        for image in reversed(self._images):
            if image.stamp == stamp:
                return image
        oldest, newest = self._images[0].stamp, self._images[-1].stamp
        if stamp > newest:
            raise StampInFuture(
                f"the stamp {as_text(stamp)} is after that of the newest image, {as_text(newest)}; give the stamp of "
                "an image that the tracker has received, or 0 for the newest"
            )
        if stamp < oldest:
            raise StampRefused(
                f"the stamp {as_text(stamp)} is too old; the oldest image that is kept has {as_text(oldest)} (the "
                f"parameter history_frames says how many are kept, now {self._images.maxlen})"
            )
        nearest = min((image.stamp for image in self._images), key=_distance_from(stamp))
        raise StampRefused(
            f"no image has the stamp {as_text(stamp)}; the nearest one that is kept has {as_text(nearest)}"
        )

    def since(self, image: ReceivedImage, before: ReceivedImage | None) -> list[ReceivedImage]:
        """The images after ``image`` and, where it is given, before ``before``; oldest first."""
        later = [each for each in self._images if each.number > image.number]
        return later if before is None else [each for each in later if each.number < before.number]


def _distance_from(stamp: int) -> Callable[[int], int]:
    return lambda other: abs(other - stamp)
