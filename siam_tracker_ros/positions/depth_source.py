"""The newest depth images, and the one that belongs to an image."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np
from sensor_msgs.msg import Image

from siam_tracker_core.camera import NoDepth
from siam_tracker_core.camera.depth import DepthImage
from siam_tracker_ros.stamps import to_nanoseconds

_KEPT = 8
_KINDS = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}


def depth_of(message: Image) -> DepthImage:
    """The depths of a message: (H, W), uint16 in millimetres or float32 in metres (REP 118); a view where possible.

    Raises:
        NoDepth: for another encoding, or fewer bytes than its size promises.
    """
    kind = _KINDS.get(message.encoding)
    if kind is None:
        raise NoDepth(f"the depth image's encoding '{message.encoding}' is not known; expected 16UC1 or 32FC1")
    pixel = int(kind[1])
    row = message.width * pixel
    if not message.width or not message.height or message.step < row:
        raise NoDepth(f"the depth image of {message.width}x{message.height} pixels has a step of {message.step} bytes")
    if len(message.data) < message.step * (message.height - 1) + row:
        raise NoDepth(f"the {message.width}x{message.height} depth image is truncated: {len(message.data)} bytes")
    order = ">" if message.is_bigendian else "<"
    data = np.frombuffer(message.data, dtype=np.uint8)
    rows = np.lib.stride_tricks.as_strided(data, (message.height, row), (message.step, 1))
    values = np.ascontiguousarray(rows).view(order + kind) if message.step % pixel else rows.view(order + kind)
    return np.asarray(values, np.uint16) if kind == "u2" else np.asarray(values, np.float32)


class DepthSource:
    """Keeps a few messages, not decoded. May be used from several threads.

    Args:
        topic: of the depth images, for people.
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._lock = threading.Lock()
        self._kept: deque[tuple[int, Image]] = deque(maxlen=_KEPT)

    def take(self, message: Image) -> None:
        """Keep a depth image."""
        with self._lock:
            stamp = to_nanoseconds(message.header.stamp)
            if self._kept and stamp < self._kept[-1][0]:
                self._kept.clear()  # time jumped back, and the same stamps may come again
            self._kept.append((stamp, message))

    def has_passed(self, stamp: int) -> bool:
        """Whether a depth image of this time or later has come, so that no better one will."""
        with self._lock:
            return bool(self._kept) and self._kept[-1][0] >= stamp

    def find(self, stamp: int, tolerance: float, frame_id: str) -> DepthImage:
        """The depth image nearest to an image's stamp.

        Args:
            stamp: of the image, in nanoseconds.
            tolerance: in seconds.
            frame_id: of the image; an aligned depth image has the same.

        Raises:
            NoDepth: if there is none within the tolerance, or it is of another frame or cannot be read.
        """
        with self._lock:
            kept = list(self._kept)
        if not kept:
            raise NoDepth(f"no depth image has come on {self._topic}")
        when, message = min(kept, key=lambda each: abs(each[0] - stamp))
        apart = abs(when - stamp) / 1e9
        if apart > tolerance:
            raise NoDepth(
                f"the nearest depth image on {self._topic} is {apart:.3f} s from the image, more than the parameter "
                f"depth_tolerance of {tolerance:g} s"
            )
        of_frame = message.header.frame_id
        if of_frame and frame_id and of_frame != frame_id:
            raise NoDepth(
                f"the depth image is of the frame '{of_frame}', but the image of '{frame_id}'; give depth that is "
                "registered to the image"
            )
        return depth_of(message)
