"""Boxes, stamps and ids as callers give them, and as messages take them."""

from __future__ import annotations

from typing import Any, Protocol

from builtin_interfaces.msg import Time

from siam_tracker_ros.client.errors import TrackerError
from siam_tracker_ros.stamps import to_nanoseconds

LARGEST_ID = 2**32 - 1


class BoxLike(Protocol):
    """A box with a corner and a size in pixels, such as ``siam_tracker_core.Box``."""

    @property
    def x(self) -> float:
        """Left edge."""

    @property
    def y(self) -> float:
        """Top edge."""

    @property
    def width(self) -> float:
        """Extent along x."""

    @property
    def height(self) -> float:
        """Extent along y."""


def check_id(id: int) -> None:
    """Refuse an id that no message can hold.

    Raises:
        TrackerError: for one below 0 or above ``LARGEST_ID``.
    """
    if not 0 <= id <= LARGEST_ID:
        raise TrackerError(f"the id {id} is impossible; give 0 for a new target, or 1 to {LARGEST_ID}")


def box_values(box: Any) -> tuple[float, float, float, float]:
    """The x, y, width and height of a box, or of four numbers.

    Raises:
        ValueError: for another number of numbers.
    """
    values = [float(value) for value in (_fields(box) if hasattr(box, "width") else box)]
    if len(values) != 4:
        raise ValueError(f"a box needs 4 numbers (x, y, width, height), got {len(values)}")
    return values[0], values[1], values[2], values[3]


def _fields(box: Any) -> tuple[float, float, float, float]:
    return box.x, box.y, box.width, box.height


def stamp_message(stamp: Any) -> Time:
    """The stamp of a Time or Header message, a ``rclpy.time.Time``, or any message with a header.

    Raises:
        TypeError: for anything else.
    """
    if hasattr(stamp, "header"):
        stamp = stamp.header
    if hasattr(stamp, "stamp"):
        stamp = stamp.stamp
    if hasattr(stamp, "to_msg"):
        stamp = stamp.to_msg()
    if not isinstance(stamp, Time):
        raise TypeError(f"a {type(stamp).__name__} is no time stamp; expected a Time, a Header or a message with one")
    return stamp


def nanoseconds_of(stamp: Any) -> int | None:
    """The same in nanoseconds; None for None."""
    return None if stamp is None else to_nanoseconds(stamp_message(stamp))
