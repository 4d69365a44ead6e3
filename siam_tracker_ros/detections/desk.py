"""Decides what detections mean for targets: which become one, which bring one back, which correct one.

It asks the tracking loop for everything that touches a tracker, and waits for no answer.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from std_msgs.msg import Header

from siam_tracker_core.geometry import Box
from siam_tracker_ros.detections.detection import Detection, at_point, best_of, detections_of
from siam_tracker_ros.interfaces import SetTarget
from siam_tracker_ros.node.commands import Refused, ReturnCommand, SetCommand
from siam_tracker_ros.node.targets import Target
from siam_tracker_ros.node.tracking_loop import TrackingLoop
from siam_tracker_ros.robot_side.parameters import RobotSettings
from siam_tracker_ros.stamps import as_text, to_nanoseconds

_KEPT = 30
_MOST_LOOKS = 8  # detections that a lost target is looked for in; each takes the network once
_OVERLAP = 0.3  # IoU from which a detection is said to be of what is tracked already


@dataclass(frozen=True)
class _Arrival:
    """What a detector found in the image of one stamp."""

    header: Header
    detections: list[Detection]

    @property
    def stamp(self) -> int:
        return to_nanoseconds(self.header.stamp)


class DetectionDesk:
    """Takes messages in, and answers requests for targets that a detector found.

    Args:
        topic: of the detections, for people.
        settings: gives the present values of the node's parameters.
        limit: gives how many targets there may be.
        loop: gives the tracking loop, or None where there is none.
        refuse: told, with the message's header and a sentence, of what cannot be used.
    """

    def __init__(
        self,
        topic: str,
        settings: Callable[[], RobotSettings],
        limit: Callable[[], int],
        loop: Callable[[], TrackingLoop | None],
        refuse: Callable[[Header, str], None],
    ) -> None:
        self._topic = topic
        self._settings = settings
        self._limit = limit
        self._loop = loop
        self._refuse = refuse
        self._lock = threading.Lock()
        self._kept: deque[_Arrival] = deque(maxlen=_KEPT)
        self._setting: set[Future[int]] = set()

    def take(self, message: Any) -> None:
        """Take a message in."""
        loop = self._loop()
        if loop is None:
            return
        detections, fault = detections_of(message)
        if fault:
            self._refuse(message.header, f"{self._topic}: {fault}; it is left out")
        frame = loop.frame_id
        if frame and message.header.frame_id and message.header.frame_id != frame:
            words = f"{self._topic} is of the frame '{message.header.frame_id}', but the images are of '{frame}'"
            self._refuse(message.header, words)
            return
        arrival = _Arrival(message.header, detections)
        with self._lock:
            self._kept.append(arrival)
        self._bring_back(loop, arrival)
        self._begin_by_itself(loop, arrival)

    def command(self, request: SetTarget.Request, image_deadline: float) -> SetCommand:
        """The command for a request of a detection.

        Raises:
            Refused: if no kept detection fits, with what there is.
        """
        arrival = self._arrival(to_nanoseconds(request.header.stamp))
        if request.source == SetTarget.Request.SOURCE_DETECTION_AT:
            found = at_point(arrival.detections, request.x, request.y, request.class_id)
            wanted = f"covers ({request.x:g}, {request.y:g})"
        elif request.source == SetTarget.Request.SOURCE_BEST_OF_CLASS:
            found = best_of(arrival.detections, request.class_id)
            wanted = f"is of the class '{request.class_id}'"
        else:
            raise Refused(f"the source {request.source} is not known; expected one of SetTarget's SOURCE_*")
        if found is None:
            there = ", ".join(sorted({each.class_id for each in arrival.detections})) or "none"
            raise Refused(
                f"no detection in the image of {as_text(arrival.stamp)} {wanted}; the classes there are: {there}"
            )
        label = request.label or found.class_id
        return SetCommand(arrival.stamp, found.box, request.id, label, image_deadline=image_deadline)

    def _arrival(self, stamp: int) -> _Arrival:
        with self._lock:
            kept = list(self._kept)
        if not kept:
            raise Refused(f"no detections have come on {self._topic} yet")
        found = kept[-1] if stamp == 0 else next((each for each in reversed(kept) if each.stamp == stamp), None)
        if found is None:
            raise Refused(f"no detections of the image of {as_text(stamp)} are kept; give 0 for the newest")
        return found

    def _bring_back(self, loop: TrackingLoop, arrival: _Arrival) -> None:
        """Let the loop look whether lost targets are where something was detected, and correct tracked ones."""
        settings = self._settings()
        for target in loop.targets:
            if target.behind:
                continue
            if target.is_lost:
                best = sorted(arrival.detections, key=lambda each: -each.score)[:_MOST_LOOKS]
                boxes = [each.box for each in best]
            elif settings.correct_size and target.label:
                boxes = self._overlapping(target, arrival.detections)
            else:
                continue
            if boxes:
                self._submit(loop, ReturnCommand(arrival.stamp, target.id, tuple(boxes), target.is_lost))

    @staticmethod
    def _overlapping(target: Target, detections: Sequence[Detection]) -> list[Box]:
        own = [each.box for each in detections if each.class_id == target.label]
        best = max(own, key=lambda box: box.iou(target.result.box), default=None)
        return [best] if best is not None and best.iou(target.result.box) >= _OVERLAP else []

    def _begin_by_itself(self, loop: TrackingLoop, arrival: _Arrival) -> None:
        settings = self._settings()
        if not settings.auto_target:
            return
        self._setting = {each for each in self._setting if not each.done()}
        targets = loop.targets
        room = min(settings.auto_target_count, self._limit()) - len(targets) - len(self._setting)
        wanted = [
            each
            for each in sorted(arrival.detections, key=lambda each: -each.score)
            if each.class_id == settings.auto_target
            and each.score >= settings.auto_target_score
            # One that was detected before may have moved on, and is no other one.
            and all(each.box.iou(target.result.box) < _OVERLAP for target in targets)
        ]
        for each in wanted[: max(0, room)]:
            command = SetCommand(arrival.stamp, each.box, 0, each.class_id)
            self._setting.add(command.answer)
            command.answer.add_done_callback(self._say_refusal)
            self._submit(loop, command)

    def _submit(self, loop: TrackingLoop, command: SetCommand | ReturnCommand) -> None:
        try:
            if isinstance(command, SetCommand):
                loop.set_target(command, self._limit())
            else:
                command.answer.add_done_callback(self._say_refusal)
                loop.bring_back(command)
        except Refused as error:
            command.answer.cancel()
            self._refuse(Header(), f"{self._topic}: {error}")

    def _say_refusal(self, answer: Future[int]) -> None:
        error = None if answer.cancelled() else answer.exception()
        if error is not None:
            self._refuse(Header(), f"{self._topic}: {error}")
