"""Tracks between images: where each box is expected at a moment, with an uncertainty that grows."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from std_msgs.msg import Header

from siam_tracker_core import TrackState
from siam_tracker_core.motion import MotionSettings, MotionState, TargetMotion
from siam_tracker_ros.interfaces import TrackedTarget, TrackedTargetArray
from siam_tracker_ros.robot_side.seen import SeenImage, SeenTarget
from siam_tracker_ros.stamps import from_nanoseconds
from siam_tracker_ros.track_states import NUMBERS

_SECOND = 1e9
# Coordinates are in units of the target's first size, so that one setting fits near and far targets.
_SETTINGS = MotionSettings(density=4.0, speed_deviation=2.0, longest_gap=1.0, gate=100.0)
_BOX_NOISE = 0.03  # standard deviation of a box's numbers, as a share of its size


@dataclass
class _Followed:
    """A target's motion, in units of ``scale`` pixels, and what was said of it last."""

    motion: TargetMotion
    scale: float
    last: SeenTarget


class Prediction:
    """Learns the motion of boxes and tells where they are expected. May be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._followed: dict[int, _Followed] = {}
        self._newest: SeenImage | None = None

    def saw(self, image: SeenImage) -> None:
        """Take in the boxes of an image."""
        with self._lock:
            if self._newest is not None and image.stamp < self._newest.stamp:
                self._followed = {}
            self._newest = image
            ids = {target.id for target in image.targets}
            self._followed = {id: each for id, each in self._followed.items() if id in ids}
            for target in image.targets:
                self._take(image.stamp / _SECOND, target)

    @property
    def newest_stamp(self) -> int | None:
        """Of the newest image, in nanoseconds; None before the first."""
        newest = self._newest
        return None if newest is None else newest.stamp

    def at(self, clock: float, now: int | None = None) -> TrackedTargetArray | None:
        """The tracks that are expected.

        Args:
            clock: now, in seconds of ``time.monotonic``, as the images' times of receipt are.
            now: in nanoseconds on the clock of the images' stamps, where that is known; without it an image counts as
                taken when it came.

        Returns:
            The message, stamped with the time that it is for; None before the first image.
        """
        with self._lock:
            if self._newest is None:
                return None
            since = self._newest.stamp + int(max(0.0, clock - self._newest.received) * _SECOND)
            stamp = since if now is None else max(now, self._newest.stamp)
            header = Header(stamp=from_nanoseconds(stamp), frame_id=self._newest.header.frame_id)
            tracks = [self._track(header, stamp / _SECOND, each) for each in self._followed.values()]
        return TrackedTargetArray(header=header, targets=[track for track in tracks if track is not None])

    def _take(self, seconds: float, target: SeenTarget) -> None:
        known = self._followed.get(target.id)
        if known is None or target.age < known.last.age:
            scale = max(1.0, (target.box.width * target.box.height) ** 0.5)
            known = self._followed[target.id] = _Followed(TargetMotion(_SETTINGS), scale, target)
        known.last = target
        if target.state is TrackState.LOST:
            known.motion.forget()
            return
        box = target.box
        measured = np.array([*box.centre, box.width, box.height]) / known.scale
        sides = np.array([box.width, box.height] * 2) / known.scale
        known.motion.see(seconds, measured, np.diag((_BOX_NOISE * sides) ** 2))

    @staticmethod
    def _track(header: Header, seconds: float, each: _Followed) -> TrackedTarget | None:
        """Where a target is expected; a lost one stays where it was, and one not seen for long is left out."""
        last, state = each.last, each.motion.at(seconds)
        if state is None and last.state is not TrackState.LOST:
            return None
        track = TrackedTarget(
            header=header,
            id=last.id,
            label=last.label,
            x=last.box.x,
            y=last.box.y,
            width=last.box.width,
            height=last.box.height,
            score=last.score,
            state=NUMBERS[last.state],
            age=last.age,
            reason=last.reason if last.state is TrackState.LOST else "",
            predicted=True,
        )
        if state is not None:
            _place(track, state, each.scale)
        return track


def _place(track: TrackedTarget, state: MotionState, scale: float) -> None:
    x, y, width, height = (float(value) for value in state.position * scale)
    width, height = max(width, 1.0), max(height, 1.0)
    track.x, track.y, track.width, track.height = x - width / 2, y - height / 2, width, height
    track.deviation = (np.sqrt(np.diag(state.position_covariance)) * scale).astype(np.float32)
