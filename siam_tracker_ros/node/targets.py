"""The targets that the node follows, and what is known of each."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field

from siam_tracker_core import Box, TrackResult, TrackState
from siam_tracker_ros.node.ring import ReceivedImage


@dataclass(eq=False)
class Target:
    """One target.

    Attributes:
        id: given when it was set.
        label: free text, given when it was set.
        result: of the last image that it has seen.
        seen: the number of that image.
        age: images since the one it was set on.
        behind: images that it has yet to go through, oldest first, before it is up to date.
        answer: waits for the target to be up to date, and gets its id then.
    """

    id: int
    label: str
    result: TrackResult
    seen: int
    behind: deque[ReceivedImage] = field(default_factory=deque)
    answer: Future[int] | None = None
    age: int = 0

    def saw(self, image: ReceivedImage, result: TrackResult) -> None:
        """Take over the result for the next image."""
        self.result = result
        self.seen = image.number
        self.age += 1

    def missed(self, image: ReceivedImage, reason: str) -> None:
        """Note that the next image could not be searched: the target is lost in it, where it was last seen."""
        self.saw(image, TrackResult(self.result.box, 0.0, TrackState.LOST, None, reason))


def first_result(box: Box) -> TrackResult:
    """What is said of the image that the target was shown on: it is there, somebody said so."""
    return TrackResult(box, 1.0, TrackState.TRACKING)
