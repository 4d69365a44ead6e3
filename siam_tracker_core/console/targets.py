"""The targets of file mode: one tracker's group, with labels and ages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from siam_tracker_core import ResponseMap, Tracker, TrackerGroup, TrackResult, TrackState
from siam_tracker_core.console.picture import BgrImage, TargetView
from siam_tracker_core.console.reel import ReelFrame
from siam_tracker_core.console.session import RequestRefused
from siam_tracker_core.errors import SiamTrackerError
from siam_tracker_core.geometry import Box


@dataclass
class _Entry:
    label: str
    result: TrackResult
    age: int = 0


class TargetBook:
    """Follows targets; for one thread.

    Args:
        tracker: whose network all targets share.
        limit: how many targets there may be.

    Attributes:
        tracker: the one that runs.
    """

    def __init__(self, tracker: Tracker, limit: int) -> None:
        self.limit = limit
        self.tracker = tracker
        self._group = TrackerGroup(tracker)
        self._entries: dict[int, _Entry] = {}
        self._next_id = 1

    @property
    def views(self) -> tuple[TargetView, ...]:
        """The targets as they were in the last frame."""
        return tuple(_view(target_id, entry) for target_id, entry in self._entries.items())

    @property
    def responses(self) -> dict[int, ResponseMap]:
        """The response maps of the last frame."""
        found = {target_id: entry.result.response for target_id, entry in self._entries.items()}
        return {target_id: response for target_id, response in found.items() if response is not None}

    def start(self, frames: Sequence[ReelFrame], box: Box, target_id: int, label: str) -> int:
        """Follow what is inside a box of the first frame, and catch up through the others.

        Raises:
            RequestRefused: if there are too many targets.
            SiamTrackerError: if the box cannot be followed; a target that had the id is kept.
        """
        if target_id not in self._entries and len(self._entries) >= self.limit:
            raise RequestRefused(
                f"{len(self._entries)} targets are followed already, and max_targets is {self.limit}; remove a target "
                "first, or raise max_targets"
            )
        if not target_id:
            target_id, self._next_id = self._next_id, self._next_id + 1
        self._group.init(target_id, frames[0].pixels, box)
        entry = _Entry(label, TrackResult(box, 1.0, TrackState.TRACKING))
        self._entries[target_id] = entry
        for frame in frames[1:]:
            self._see(entry, self._group.update(frame.pixels, only={target_id})[target_id])
        self._next_id = max(self._next_id, target_id + 1)
        return target_id

    def rename(self, target_id: int, label: str) -> None:
        """Give a target another label.

        Raises:
            RequestRefused: if there is no such target.
        """
        self._entry(target_id).label = label

    def remove(self, target_id: int | None) -> int:
        """Stop following one target, or all; gives how many.

        Raises:
            RequestRefused: if there is no such target.
        """
        ids = list(self._entries) if target_id is None else [target_id]
        for each in ids:
            self._entry(each)
            del self._entries[each]
            self._group.remove(each)
        return len(ids)

    def update(self, pixels: BgrImage) -> None:
        """Find all targets in the next frame.

        Raises:
            SiamTrackerError: if the frame cannot be searched; all targets are LOST then.
        """
        if not self._entries:
            return
        try:
            results = self._group.update(pixels)
        except (SiamTrackerError, RuntimeError) as error:
            for entry in self._entries.values():
                self._see(entry, TrackResult(entry.result.box, 0.0, TrackState.LOST, None, str(error)))
            raise
        for target_id, entry in self._entries.items():
            self._see(entry, results[target_id])

    def change(self, tracker: Tracker, pixels: BgrImage | None) -> list[str]:
        """Go on with another tracker: targets start anew from their last boxes.

        Returns:
            Why targets could not be taken over, each in a sentence; these are gone.
        """
        former, self._entries = self._entries, {}
        self.tracker, self._group = tracker, TrackerGroup(tracker)
        complaints = []
        for target_id, entry in former.items():
            try:
                if pixels is None:
                    raise RequestRefused("there is no picture to start it on")
                self._group.init(target_id, pixels, entry.result.box)
                result = TrackResult(entry.result.box, 1.0, TrackState.TRACKING)
                self._entries[target_id] = _Entry(entry.label, result)
            except SiamTrackerError as error:
                complaints.append(f"target {target_id} could not be taken over: {error}")
        return complaints

    @staticmethod
    def _see(entry: _Entry, result: TrackResult) -> None:
        entry.result = result
        entry.age += 1

    def _entry(self, target_id: int) -> _Entry:
        if target_id not in self._entries:
            known = ", ".join(map(str, self._entries)) or "none"
            raise RequestRefused(f"there is no target {target_id}; the targets are: {known}")
        return self._entries[target_id]


def _view(target_id: int, entry: _Entry) -> TargetView:
    result = entry.result
    return TargetView(
        target_id, entry.label, result.box, result.score, result.state, entry.age, result.reason, result.learning
    )
