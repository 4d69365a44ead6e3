"""The images of the last moments, so that a target drawn on one of them can start there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from siam_tracker_core.image_header import MAX_PIXELS, check_pixels, image_size
from siam_tracker_ros.image_conversion import BgrImage, ImageReader, compressed_to_bgr, image_to_bgr
from siam_tracker_ros.stamps import as_text, to_nanoseconds


@dataclass(frozen=True, slots=True, eq=False)
class ReceivedImage:
    """An image message as it came in, not decoded yet.

    Attributes:
        number: counts the images received, from 1.
        message: the message.
        received: when it came, in seconds of ``time.monotonic``.
        max_pixels: an image of more pixels than this is refused before memory is taken for them.
        reader: makes its pixels, as those of all images of its topic; None to read it by itself.
    """

    number: int
    message: Image | CompressedImage
    received: float
    max_pixels: int = MAX_PIXELS
    reader: ImageReader | None = None

    @property
    def header(self) -> Header:
        """The message's header."""
        return self.message.header

    @property
    def stamp(self) -> int:
        """The image's own time in nanoseconds."""
        return to_nanoseconds(self.message.header.stamp)

    @property
    def encoding(self) -> str:
        """The name of the pixels' encoding, or of the compressed format."""
        return str(self.message.format if isinstance(self.message, CompressedImage) else self.message.encoding)

    @property
    def bytes(self) -> int:
        """What the pixels take in memory as long as the image is kept."""
        return len(self.message.data)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, of which a compressed image's header is read and no more.

        Raises:
            ImageError: if the header says no size.
        """
        if isinstance(self.message, CompressedImage):
            return image_size(self.message.data)
        return int(self.message.width), int(self.message.height)

    def decode(self) -> BgrImage:
        """uint8 (H, W, 3) BGR.

        Raises:
            ImageError: if the message is not an image that can be read, or has too many pixels.
        """
        check_pixels(*self.size, self.max_pixels)
        if self.reader is not None:
            return self.reader.read(self.message, self.number)
        if isinstance(self.message, CompressedImage):
            return compressed_to_bgr(self.message)
        return image_to_bgr(self.message)


class StampRefused(ValueError):
    """No image of the wanted stamp is kept; the sentence says which would do."""


class StampInFuture(StampRefused):
    """The wanted image has not come yet, but may."""


class FrameRing:
    """The newest images, oldest first, as they came: compressed ones stay so. Not locked: its owner does that.

    Args:
        capacity: how many images are kept.
        megabytes: how much memory they may take together; the newest image is kept in any case.
        source: the topic that they come from, for people.
    """

    def __init__(self, capacity: int, megabytes: float, source: str) -> None:
        self._source = source
        self._capacity = capacity
        self._most_bytes = round(megabytes * 1e6)
        self._bytes = 0
        self._images: deque[ReceivedImage] = deque()

    def __len__(self) -> int:
        return len(self._images)

    def add(self, image: ReceivedImage) -> bool:
        """Keep an image, and forget the oldest ones while there are too many or they take too much memory.

        Returns:
            False if its stamp is before the newest one's: time jumped back, and all older images were forgotten, for
            the same stamps may now come again.
        """
        in_order = not self._images or image.stamp >= self._images[-1].stamp
        if not in_order:
            self.clear()
        self._images.append(image)
        self._bytes += image.bytes
        while len(self._images) > 1 and (len(self._images) > self._capacity or self._bytes > self._most_bytes):
            self._bytes -= self._images.popleft().bytes
        return in_order

    @property
    def newest_frame_id(self) -> str:
        """Of the newest image; empty where there is none."""
        return str(self._images[-1].header.frame_id) if self._images else ""

    def clear(self) -> None:
        """Forget all images."""
        self._images.clear()
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """What the images that are kept take in memory."""
        return self._bytes

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
                f"parameters history_frames and history_mb say how many are kept, now {len(self._images)})"
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
