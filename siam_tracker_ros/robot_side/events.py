"""Events: what happened to targets, told once instead of with every image."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from std_msgs.msg import Header

from siam_tracker_core import TrackState
from siam_tracker_ros.interfaces import TargetEvent
from siam_tracker_ros.robot_side.seen import SeenImage, SeenTarget

_REPEAT_SECONDS = 5.0  # the same refusal of something that comes with every image is told as often as this


class Events:
    """Finds out what happened by comparing one image's targets with those of the image before.

    Args:
        publish: takes a ``TargetEvent``; called from whatever thread tells of something.
        clock: gives seconds, for holding back what repeats itself.
    """

    def __init__(self, publish: Callable[[Any], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._publish = publish
        self._clock = clock
        self._lock = threading.Lock()
        self._before: dict[int, SeenTarget] = {}
        self._newest = Header()
        self._refused: dict[str, float] = {}

    def saw(self, image: SeenImage, followed: set[int]) -> None:
        """Tell what happened since the image before.

        Args:
            image: and its targets that are up to date.
            followed: the ids of all targets, also of those that have yet to catch up.
        """
        self._newest = image.header
        now = {target.id: target for target in image.targets}
        for target in now.values():
            self._compare(image.header, self._before.get(target.id), target)
        for gone in self._before.keys() - followed:
            former = self._before[gone]
            self._tell(TargetEvent.KIND_REMOVED, image.header, gone, former.label, f"target {gone} was removed")
        behind = {id: target for id, target in self._before.items() if id in followed and id not in now}
        self._before = now | behind

    def refused(self, words: str, header: Header | None = None, id: int = 0) -> None:
        """Tell of something that was asked for or given and refused; the same words only now and then."""
        with self._lock:
            now = self._clock()
            if now - self._refused.get(words, -float("inf")) < _REPEAT_SECONDS:
                return
            self._refused = {each: when for each, when in self._refused.items() if now - when < _REPEAT_SECONDS}
            self._refused[words] = now
        self._tell(TargetEvent.KIND_REFUSED, self._newest if header is None else header, id, "", words)

    def _compare(self, header: Header, before: SeenTarget | None, now: SeenTarget) -> None:
        if before is None or now.age < before.age:
            self._tell(TargetEvent.KIND_SET, header, now.id, now.label, f"target {now.id} was set")
            before = None
        was_lost = before is not None and before.state is TrackState.LOST
        is_lost = now.state is TrackState.LOST
        if is_lost and not was_lost:
            words = f"target {now.id} is lost: {now.reason}"
            self._tell(TargetEvent.KIND_LOST, header, now.id, now.label, words)
        elif was_lost and not is_lost:
            words = f"target {now.id} was found again with score {now.score:.2f}"
            self._tell(TargetEvent.KIND_FOUND, header, now.id, now.label, words)

    def _tell(self, kind: int, header: Header, id: int, label: str, words: str) -> None:
        self._publish(TargetEvent(header=header, kind=kind, id=id, label=label, words=words))
