"""A dead zone with a memory, so that what came to rest does not move for every small change."""

from __future__ import annotations


class DeadZone:
    """An error begins to count when it leaves the zone, and ceases to when it is back in its inner half.

    Args:
        width: of the zone to each side of zero, in the error's unit.
    """

    def __init__(self, width: float) -> None:
        self._width = width
        self._moving = False

    def missing(self, error: float) -> float:
        """The error where it counts, else 0."""
        self._moving = abs(error) > (self._width / 2 if self._moving else self._width)
        return error if self._moving else 0.0
