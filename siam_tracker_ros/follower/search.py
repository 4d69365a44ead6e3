"""Turning to look for a lost target: first to where it went, then to the other side, then no more."""

from __future__ import annotations


class Search:
    """Keeps account of how far the robot has turned.

    Args:
        angle: in radians, to each side of the direction in which the search began.
        side: 1 to begin to the left, -1 to the right.
    """

    def __init__(self, angle: float, side: float) -> None:
        self._angle = angle
        self._side = side
        self._turned = 0.0
        self._legs = 0

    def turned(self, angle: float) -> None:
        """Take note of an angle in radians by which the robot was told to turn, positive to the left."""
        self._turned += angle
        goal = self._side if self._legs == 0 else -self._side
        if self._legs < 2 and self._turned * goal >= self._angle:
            self._legs += 1

    def direction(self) -> float | None:
        """1 to turn left, -1 to turn right, None when both sides were looked at."""
        return (self._side, -self._side, None)[self._legs]
