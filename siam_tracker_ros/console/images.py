"""The camera's images for the console: received only while somebody needs them, decoded only when they are shown."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image

from siam_tracker_core.bags.types import header_stamp
from siam_tracker_core.console.picture import BgrImage
from siam_tracker_ros.console.in_turn import InTurn
from siam_tracker_ros.image_conversion import compressed_to_bgr, image_to_bgr
from siam_tracker_ros.qos import image_qos

_KEPT = 15  # images that wait for their tracks


@dataclass(frozen=True, eq=False)
class RawImage:
    """An image as it came over the wire.

    Attributes:
        stamp: of its header, in nanoseconds.
        received: when it came, in seconds of ``time.time``.
        data: the serialised message.
        kind: its message class.
    """

    stamp: int
    received: float
    data: bytes
    kind: type

    def decode(self) -> BgrImage:
        """uint8 (H, W, 3) BGR.

        Raises:
            ImageError: if it is no image that can be read.
        """
        message = deserialize_message(self.data, self.kind)
        return compressed_to_bgr(message) if self.kind is CompressedImage else image_to_bgr(message)


class ImageSource:
    """Subscribes while it is wanted, and keeps the images of the last moments.

    Args:
        node: whose topic names and remappings hold.
        in_turn: of the node.
        transport: ``raw`` or ``compressed``.
        reliability: that the subscription asks for.
        arrived: called with each image.
    """

    def __init__(
        self, node: Node, in_turn: InTurn, transport: str, reliability: str, arrived: Callable[[RawImage], None]
    ) -> None:
        self._node = node
        self._in_turn = in_turn
        self._arrived = arrived
        self._wanted = False
        self._subscription: Any = None
        self._images: deque[RawImage] = deque(maxlen=_KEPT)
        self.kind: type = CompressedImage if transport == "compressed" else Image
        self.qos = image_qos(reliability, 1)
        self.topic = node.resolve_topic_name("image/compressed" if transport == "compressed" else "image")
        self.last_arrival = time.monotonic()
        self.received = 0

    @property
    def type_name(self) -> str:
        """The message type as bags name it."""
        return f"sensor_msgs/msg/{self.kind.__name__}"

    def want(self, wanted: bool) -> None:
        """Begin or cease to receive."""
        if wanted and not self._wanted:
            self.last_arrival = time.monotonic()
        self._wanted = wanted
        self._in_turn.do(self._follow_wish)

    @property
    def is_wanted(self) -> bool:
        """Whether images are received."""
        return self._wanted

    def of(self, stamp: int) -> RawImage | None:
        """The image with a stamp, while it is kept."""
        return next((image for image in reversed(list(self._images)) if image.stamp == stamp), None)

    def _follow_wish(self) -> None:
        if self._wanted and self._subscription is None:
            self._subscription = self._node.create_subscription(self.kind, self.topic, self._take, self.qos, raw=True)
        elif not self._wanted and self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
            self._images.clear()

    def _take(self, data: bytes) -> None:
        try:
            stamp = header_stamp(data)
        except ValueError:
            return
        image = RawImage(stamp, time.time(), data, self.kind)
        self.last_arrival = time.monotonic()
        self.received += 1
        self._images.append(image)
        self._arrived(image)
