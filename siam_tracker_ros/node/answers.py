"""What the tracking thread has to say about one image."""

from __future__ import annotations

from dataclasses import dataclass

from siam_tracker_ros.image_conversion import BgrImage
from siam_tracker_ros.node.ring import ReceivedImage
from siam_tracker_ros.node.targets import Target


@dataclass(frozen=True)
class Answer:
    """What is to be published about one image.

    Attributes:
        image: the image.
        pixels: uint8 (H, W, 3) BGR; None where it could not be read.
        targets: those that are up to date with this image, in the order in which they were set.
        refusal: why the image could not be read or searched, else empty.
        update_seconds: how long the tracker took; None where there was nothing to track.
    """

    image: ReceivedImage
    pixels: BgrImage | None
    targets: list[Target]
    refusal: str = ""
    update_seconds: float | None = None
