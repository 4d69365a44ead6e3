"""What a target usually does, to know where and how large it comes back."""

from __future__ import annotations

from dataclasses import dataclass

from siam_tracker_core.geometry import Box

# Share of a new frame in a mean of what is usual. Half a second is remembered, for a box slows down and shrinks while
# its target goes behind something.
RATE = 0.07


@dataclass(frozen=True)
class Habits:
    """Means of a target's box while it is tracked for certain; each forgets.

    Attributes:
        velocity: x and y in pixels a frame.
        size: width and height in pixels.
    """

    velocity: tuple[float, float]
    size: tuple[float, float]

    @classmethod
    def of(cls, box: Box) -> Habits:
        """Those of a target of which one box is known."""
        return cls((0.0, 0.0), (box.width, box.height))

    def after(self, before: Box, box: Box) -> Habits:
        """The same after a step from box to box."""
        step = (box.centre[0] - before.centre[0], box.centre[1] - before.centre[1])
        return Habits(
            (mixed(self.velocity[0], step[0]), mixed(self.velocity[1], step[1])),
            (mixed(self.size[0], box.width), mixed(self.size[1], box.height)),
        )


def mixed(mean: float, new: float) -> float:
    """A mean of what is usual after one more frame."""
    return mean + RATE * (new - mean)
