"""A robot on a plane that drives ahead and turns."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Unicycle:
    """Where the robot is.

    Attributes:
        x, y: in metres.
        heading: in radians, counter-clockwise from x.
    """

    x: float = 0.0
    y: float = 0.0
    heading: float = 0.0

    def moved(self, forward: float, turn: float, seconds: float) -> Unicycle:
        """Where it is after driving at ``forward`` m/s and turning at ``turn`` rad/s, exactly along the arc."""
        angle = turn * seconds
        # The chord of the arc, which is as long as the arc for no turn.
        chord = forward * seconds * (math.sin(angle / 2) / (angle / 2) if abs(angle) > 1e-9 else 1.0)
        middle = self.heading + angle / 2
        return Unicycle(self.x + chord * math.cos(middle), self.y + chord * math.sin(middle), self.heading + angle)
