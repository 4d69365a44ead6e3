"""What one target's filter has learned, and how the last lessons are taken back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from siam_tracker_core.trackers.online.filter import Statistics


@dataclass(frozen=True, eq=False)
class Lessons:
    """A filter and the frames behind it.

    Attributes:
        first: statistics of the target's own frame; they never fade.
        recent: running mean of the statistics of later frames.
        weights: (n,), of the filter.
        count: frames that were learned from.
    """

    first: Statistics
    recent: Statistics
    weights: torch.Tensor
    count: int = 0


@dataclass(frozen=True, eq=False)
class Notebook:
    """Lessons, with older ones to go back to.

    Lessons are doubtful until some more have been learned after them: a target that slowly turned into a look-alike
    was learned from all the way. So of two copies, taken ``keep_every`` lessons apart, the older one is gone back to.

    Attributes:
        lessons: the present ones.
        safe: the older copy.
        young: the younger copy.
        refused: frames in a row that were not learned from.
        waited: frames since the last lesson.
        undone: whether the last lessons were taken back since the last one.
    """

    lessons: Lessons
    safe: Lessons
    young: Lessons
    refused: int = 0
    waited: int = 0
    undone: bool = False

    @classmethod
    def of(cls, lessons: Lessons) -> Notebook:
        """One that goes back to its beginning at most."""
        return cls(lessons, lessons, lessons)

    def learned(self, lessons: Lessons, keep_every: int) -> Notebook:
        """After one more lesson."""
        safe, young = self.safe, self.young
        if lessons.count - young.count >= keep_every:
            safe, young = young, lessons
        return Notebook(lessons, safe, young)

    def skipped(self) -> Notebook:
        """After a frame that would have been learned from, had there been time."""
        return replace(self, refused=0, waited=self.waited + 1)

    def refuse(self, undo_after: int, at_once: bool = False) -> Notebook:
        """After a frame that was not learned from; takes the last lessons back where doubt lasts.

        Args:
            undo_after: frames of doubt in a row that take lessons back.
            at_once: whether this one frame does, as where the target is lost.
        """
        refused = self.refused + 1
        later = replace(self, refused=refused, waited=self.waited + 1)
        if self.undone or not (at_once or refused >= undo_after):
            return later
        return replace(later, lessons=self.safe, young=self.safe, undone=True)
