"""One run of a bag through a tracker node: what was published when, and what came back when."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from tqdm import tqdm

from siam_tracker_core import Box, TrackState
from siam_tracker_core.bags import BagFrame, BagReader
from siam_tracker_core.errors import BagError
from siam_tracker_core.evaluation import SequenceResult
from siam_tracker_ros.bag_evaluation.replay import paced
from siam_tracker_ros.client import TrackerClient, TrackerTimeout
from siam_tracker_ros.interfaces import TrackedTarget, TrackedTargetArray
from siam_tracker_ros.stamps import from_nanoseconds, to_nanoseconds
from siam_tracker_ros.track_states import STATES

FloatArray = NDArray[np.float64]

MODES = ("every_frame", "real_time")
_SLICE = 1.0  # seconds between two looks at whether the node still lives
_REPEAT = 5.0  # seconds of silence after which an image is taken for lost on its way, and published again


class AnswerBook:
    """Keeps every answer of the tracker with the time at which it came; ``take`` is called from another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[int, list[tuple[float, TrackedTargetArray]]] = defaultdict(list)

    def take(self, answer: TrackedTargetArray) -> None:
        """Note an answer that has just come."""
        now = time.monotonic()
        with self._lock:
            self._answers[to_nanoseconds(answer.header.stamp)].append((now, answer))

    def find(self, stamp: int, target: int) -> tuple[float, TrackedTarget] | None:
        """The first track of a target in the image with this stamp, and the ``time.monotonic`` at which it came."""
        with self._lock:
            answers = list(self._answers.get(stamp, ()))
        for when, answer in answers:
            for track in answer.targets:
                if track.id == target:
                    return when, track
        return None


@dataclass
class BagRun:
    """Takes the images of a bag through a node and keeps what comes of it.

    Attributes:
        reader: the bag.
        truth: float64 (N, 4), ``x, y, width, height`` in pixels; NaN rows where the target is absent.
        publish: publishes a serialised image to the node.
        client: to the node.
        book: gets every answer from the client.
        check: called while waiting; raises if the node has ended.
        timeout: seconds to wait for one answer.
        start: index of the first image with the target, on which it is shown to the tracker.
        target: the id that the tracker gave; 0 before.
        published: float64 (N,), ``time.monotonic`` of publishing; NaN before.
    """

    reader: BagReader
    truth: FloatArray
    publish: Callable[[bytes], None]
    client: TrackerClient
    book: AnswerBook
    check: Callable[[], None]
    timeout: float
    start: int = field(init=False)
    target: int = field(init=False, default=0)
    published: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        present = np.flatnonzero(~np.isnan(self.truth).any(axis=1))
        if not present.size:
            raise BagError(f"{self.reader.path}: the target is absent in every image, so there is nothing to track")
        self.start = int(present[0])
        self.published = np.full(len(self.reader), np.nan)

    def every_frame(self) -> None:
        """Publish each image once the one before it has been answered.

        Raises:
            TrackerTimeout: if an answer does not come in time.
            TrackerError: if the tracker refuses the target.
        """
        for frame in self._progress(self.reader.frames()):
            self._publish(frame)
            self._await(frame)
            if frame.index == self.start:
                self._show_target(frame)

    def real_time(self, rate: float = 1.0) -> None:
        """Publish at the bag's own rate times ``rate``; the clock starts once the target has been set.

        Raises:
            TrackerTimeout: if the first image is not answered in time.
            TrackerError: if the tracker refuses the target.
        """
        frames = self.reader.frames()
        progress = self._progress(frames)
        iterator = iter(progress)
        for frame in iterator:
            self._publish(frame)
            if frame.index == self.start:
                self._await(frame)
                self._show_target(frame)
                break
        for frame in paced(iterator, rate):
            self._publish(frame)
            self.check()
        self._wait_for_late_answers()

    def result(self, mode: str, rate: float = 1.0) -> SequenceResult:
        """Everything that has come so far, ready to be scored.

        In every-frame mode a box counts whenever it came. In real time an image is missed where its answer was not
        there when the next one was published; the last box that was there by then counts for it.
        """
        count = len(self.reader)
        boxes, scores, seconds = np.full((count, 4), np.nan), np.full(count, np.nan), np.full(count, np.nan)
        states: list[str | None] = [None] * count
        missed = np.zeros(count, dtype=bool)
        if self.target:
            boxes[self.start] = self.truth[self.start]
            scores[self.start], states[self.start] = 1.0, TrackState.TRACKING.value
        arrivals = [(-np.inf, boxes[self.start].copy())]
        deadlines = self._deadlines(rate)
        for index in range(self.start + 1, count):
            found = self.book.find(int(self.reader.stamps[index]), self.target) if self.target else None
            if found is not None:
                when, track = found
                seconds[index] = when - self.published[index]
                arrivals.append((when, np.array([track.x, track.y, track.width, track.height])))
            if found is not None and (mode == "every_frame" or when <= deadlines[index]):
                boxes[index], scores[index], states[index] = arrivals[-1][1], track.score, STATES[track.state].value
            else:
                missed[index] = True
                if mode == "real_time":
                    boxes[index] = next(box for when, box in reversed(arrivals) if when <= deadlines[index])
        return SequenceResult(self.reader.path.stem, self.truth, boxes, scores, tuple(states), seconds, missed=missed)

    def _deadlines(self, rate: float) -> FloatArray:
        """When each image's answer must be there: when the next one is published."""
        steps = np.diff(self.reader.recorded) / 1e9 / rate
        last = self.published[-1] + (float(np.median(steps)) if steps.size else np.inf)
        deadlines = np.append(self.published[1:], last)
        return np.where(np.isnan(deadlines), np.inf, deadlines)

    def _progress(self, frames: Iterable[BagFrame]) -> Iterable[BagFrame]:
        return tqdm(frames, total=len(self.reader), desc="tracking", unit="image", disable=None)

    def _publish(self, frame: BagFrame) -> None:
        self.published[frame.index] = time.monotonic()
        self.publish(frame.raw)

    def _await(self, frame: BagFrame) -> None:
        """Wait for the answer to an image; it holds the target once that has been set."""
        began = repeated = time.monotonic()
        while True:
            try:
                stamp = _message(frame.stamp)
                if self.target:
                    self.client.wait_for_track(self.target, stamp, timeout=_SLICE)
                else:
                    self.client.wait_for_tracks(stamp, timeout=_SLICE)
                return
            except TrackerTimeout:
                self.check()
                now = time.monotonic()
                if now - began > self.timeout:
                    raise TrackerTimeout(
                        f"the tracker did not answer image {frame.index} within {self.timeout:g} seconds"
                    ) from None
                if now - repeated > _REPEAT:
                    repeated = now
                    self.publish(frame.raw)

    def _show_target(self, frame: BagFrame) -> None:
        box = Box.from_array(self.truth[self.start])
        self.target = self.client.set_target(box, stamp=_message(frame.stamp), timeout=self.timeout)

    def _wait_for_late_answers(self) -> None:
        """Give the answer to the last image the time of a few frames, for the latencies' sake."""
        last = int(self.reader.stamps[-1])
        deadline = time.monotonic() + 1.0
        while self.book.find(last, self.target) is None and time.monotonic() < deadline:
            time.sleep(0.01)


def _message(nanoseconds: int) -> Time:
    return from_nanoseconds(nanoseconds)
