"""What was said of targets in one image, kept as it was then: the targets themselves move on."""

from __future__ import annotations

from dataclasses import dataclass

from std_msgs.msg import Header

from siam_tracker_core import Box, TrackState
from siam_tracker_ros.node.answers import Answer
from siam_tracker_ros.stamps import to_nanoseconds


@dataclass(frozen=True)
class SeenTarget:
    """One target in one image; the attributes are those of its track."""

    id: int
    label: str
    box: Box
    score: float
    state: TrackState
    reason: str
    age: int


@dataclass(frozen=True)
class SeenImage:
    """All targets in one image.

    Attributes:
        header: of the image.
        received: when it came, in seconds of ``time.monotonic``.
        size: width and height in pixels; 0 where it could not be read.
        targets: in the order in which they were set.
    """

    header: Header
    received: float
    size: tuple[int, int]
    targets: tuple[SeenTarget, ...]

    @property
    def stamp(self) -> int:
        """Of the image, in nanoseconds."""
        return to_nanoseconds(self.header.stamp)


def seen_in(answer: Answer) -> SeenImage:
    """What an answer says, to be kept."""
    size = (0, 0) if answer.pixels is None else (answer.pixels.shape[1], answer.pixels.shape[0])
    targets = tuple(
        SeenTarget(
            each.id,
            each.label,
            each.result.box,
            each.result.score,
            each.result.state,
            each.result.reason,
            each.age,
        )
        for each in answer.targets
    )
    return SeenImage(answer.image.header, answer.image.received, size, targets)
