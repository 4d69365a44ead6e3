"""The targets that the node follows, and what is known of each."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field

from siam_tracker_core import Box, TrackResult, TrackState
from siam_tracker_ros.node.commands import give, refuse_future
from siam_tracker_ros.node.exemplars import Exemplar
from siam_tracker_ros.node.ring import ReceivedImage


@dataclass(eq=False)
class Target:
    """One target.

    Attributes:
        id: given when it was set.
        label: free text, given when it was set.
        result: of the last image that it has seen.
        seen: the number of that image.
        exemplar: its first look; None where it cannot come back.
        image_size: width and height in pixels of the images that it is followed on.
        age: images since the one it was set on.
        behind: images that it has yet to go through, oldest first, before it is up to date.
        answer: waits for the target to be up to date, and gets its id then.
    """

    id: int
    label: str
    result: TrackResult
    seen: int
    exemplar: Exemplar | None = None
    image_size: tuple[int, int] = (0, 0)
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

    @property
    def is_lost(self) -> bool:
        """Whether it could not be found in the last image that it has seen."""
        return self.result.state is TrackState.LOST

    def arrive(self) -> None:
        """It is up to date: whoever waits for that gets its id."""
        waiting, self.answer = self.answer, None
        if waiting is not None:
            give(waiting, self.id)

    def refuse(self, reason: str) -> None:
        """It will not be up to date: whoever waits for that is told why."""
        waiting, self.answer = self.answer, None
        if waiting is not None:
            refuse_future(waiting, reason)


def first_result(box: Box) -> TrackResult:
    """What is said of the image that the target was shown on: it is there, somebody said so."""
    return TrackResult(box, 1.0, TrackState.TRACKING)


def restored_result(box: Box) -> TrackResult:
    """What is said of a target that was restored, before an image was searched for it."""
    return TrackResult(box, 0.0, TrackState.LOST, None, "restored where it was seen last, not searched yet")
