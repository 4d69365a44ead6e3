"""What a tracker node can be asked, and what it tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from siam_tracker_ros.client.arguments import (
    LARGEST_ID,
    BoxLike,
    box_values,
    check_id,
    nanoseconds_of,
    stamp_message,
)
from siam_tracker_ros.client.errors import TrackerError
from siam_tracker_ros.client.link import TrackerLink
from siam_tracker_ros.interfaces import (
    FollowTarget,
    LabelTarget,
    RemoveTarget,
    SetTarget,
    TargetEvent,
    TargetPositionArray,
    TrackedTarget,
    TrackedTargetArray,
)
from siam_tracker_ros.stamps import as_text, to_nanoseconds


class TrackerClient(TrackerLink):
    """Talks to one tracker node.

    Args:
        node: your node; names are resolved in its namespace and with its remappings.
        tracker_name: of the tracker node, absolute or relative to your node's namespace.
        on_tracks: called with every TrackedTargetArray, in the client's thread; must not block.
        follow_action: name of the action of ``target_follower``, absolute or relative to your node's namespace.
    """

    @property
    def latest(self) -> TrackedTargetArray | None:
        """The tracks in the newest image that was answered, or None before the first."""
        newest: TrackedTargetArray | None = self._tracks.newest
        return newest

    def set_target(
        self,
        box: BoxLike | Sequence[float],
        stamp: Any = None,
        id: int = 0,
        label: str = "",
        timeout: float = 10.0,
    ) -> int:
        """Follow what is inside a box; returns when the target has caught up with the newest image.

        Args:
            box: in pixels; a box, or ``x, y, width, height``.
            stamp: of the image that the box was drawn on: a Time or Header message, a ``rclpy.time.Time``, or any
                message with a header; None for the newest image.
            id: 0 for a new target; else the target with this id is set anew, or created.
            label: free text, repeated on every track.
            timeout: in seconds. A new target whose answer comes later than that is removed again.

        Returns:
            The target's id.

        Raises:
            TrackerError: if the tracker refuses, with its reason.
            TrackerTimeout: if it does not answer in time.
        """
        x, y, width, height = box_values(box)
        check_id(id)
        request = SetTarget.Request(x=x, y=y, width=width, height=height, id=id, label=label)
        return self._set_by(request, stamp, timeout)

    def set_target_from_detection(
        self,
        point: Sequence[float] | None = None,
        class_id: str = "",
        stamp: Any = None,
        id: int = 0,
        label: str = "",
        timeout: float = 10.0,
    ) -> int:
        """Follow what a detector found: what it found at a point, or else the best of a class.

        Args:
            point: ``x, y`` in pixels; None for the detection of the class with the highest score.
            class_id: of the detection; may be empty where a point is given.
            stamp: of the image that was detected in, in any form that ``set_target`` takes; None for the newest
                detections.
            id, label, timeout: as for ``set_target``; without a label the target has the detection's class as one.

        Returns:
            The target's id.

        Raises:
            TrackerError: if the tracker refuses, with its reason.
            TrackerTimeout: if it does not answer in time.
        """
        request = SetTarget.Request(class_id=class_id, id=id, label=label)
        if point is None:
            request.source = SetTarget.Request.SOURCE_BEST_OF_CLASS
        else:
            request.source = SetTarget.Request.SOURCE_DETECTION_AT
            request.x, request.y = (float(value) for value in point)
        return self._set_by(request, stamp, timeout)

    @property
    def events(self) -> list[TargetEvent]:
        """The events so far, oldest first; the newest 512 of them."""
        return self._robot.events.messages

    def wait_for_event(self, kind: int, id: int | None = None, timeout: float = 10.0) -> TargetEvent:
        """Wait for an event; one that came before this call does not count.

        Args:
            kind: one of ``TargetEvent.KIND_*``.
            id: of the target; None for any.
            timeout: in seconds.

        Raises:
            TrackerTimeout: if it does not come in time.
        """

        def find(event: TargetEvent) -> TargetEvent | None:
            return event if event.kind == kind and id in (None, event.id) else None

        inbox = self._robot.events
        return inbox.wait(find, timeout, f"no such event came on {inbox.topic}", kept=False)

    def positions(self, stamp: Any = None, timeout: float = 10.0) -> TargetPositionArray:
        """Wait for directions and positions of all targets; the tracker's parameter ``positions`` must not be off.

        Args:
            stamp: of the image, in any form that ``set_target`` takes; the message may have come before this call.
                None for the next message from now on.
            timeout: in seconds.

        Raises:
            TrackerTimeout: if they do not come in time.
        """
        wanted, inbox = nanoseconds_of(stamp), self._robot.positions
        what = f"no positions came on {inbox.topic}"
        return inbox.wait(lambda message: _of(message, wanted), timeout, what, kept=stamp is not None)

    def follow(
        self,
        id: int,
        distance: float = 0.0,
        keep: bool = False,
        frame_id: str = "",
        timeout: float = 60.0,
        on_feedback: Callable[[FollowTarget.Feedback], None] | None = None,
    ) -> FollowTarget.Result:
        """Let the robot of ``target_follower`` follow a target; returns when that has ended.

        Args:
            id: as ``set_target`` gave it.
            distance: in metres to keep to the target; 0 to turn only.
            keep: go on when the target is where it should be, until it is lost or ``timeout`` has passed.
            frame_id: of the frame that faces the target; empty for the robot's.
            timeout: in seconds; then following is cancelled.
            on_feedback: called in the client's thread; must not block.

        Returns:
            How it ended; ``outcome`` is one of ``FollowTarget.Result.OUTCOME_*``.

        Raises:
            TrackerError: if the goal cannot be followed, with the reason.
            TrackerTimeout: if it has not ended in time.
        """
        self._check_thread()
        goal = FollowTarget.Goal(id=id, distance=float(distance), keep=keep, frame_id=frame_id)
        return self._robot.follow(goal, timeout, on_feedback)

    def remove_target(self, id: int, timeout: float = 10.0) -> None:
        """Stop following a target.

        Raises:
            TrackerError: if there is none with this id.
            TrackerTimeout: if the tracker does not answer in time.
        """
        if not 0 <= id <= LARGEST_ID:
            raise TrackerError(f"there is no target {id}; ids go from 1 to {LARGEST_ID}")
        self._order(RemoveTarget, "remove_target", RemoveTarget.Request(id=id), timeout)

    def remove_all(self, timeout: float = 10.0) -> int:
        """Stop following all targets.

        Returns:
            How many there were.

        Raises:
            TrackerTimeout: if the tracker does not answer in time.
        """
        return int(self._order(RemoveTarget, "remove_target", RemoveTarget.Request(all=True), timeout).removed)

    def label_target(self, id: int, label: str, timeout: float = 10.0) -> None:
        """Give a target another label; it is followed on as before.

        Raises:
            TrackerError: if there is none with this id.
            TrackerTimeout: if the tracker does not answer in time.
        """
        self._order(LabelTarget, "label_target", LabelTarget.Request(id=id, label=label), timeout)

    def wait_for_tracks(self, stamp: Any = None, timeout: float = 10.0) -> TrackedTargetArray:
        """Wait for the answer to an image; every image that the tracker works on has one, if only an empty list.

        Args:
            stamp: of the image, in any form that ``set_target`` takes; the answer may have come before this call.
                None for the next answer from now on.
            timeout: in seconds.

        Raises:
            TrackerTimeout: if it does not come in time.
        """
        wanted = nanoseconds_of(stamp)
        return self._wait(lambda answer: _of(answer, wanted), wanted, timeout, "answer")

    def wait_for_track(self, id: int, stamp: Any = None, timeout: float = 10.0) -> TrackedTarget:
        """Wait for a target's track.

        Args:
            id: as ``set_target`` gave it.
            stamp: of the image, in any form that ``set_target`` takes; the track may have come before this call.
                None for the next track from now on.
            timeout: in seconds.

        Raises:
            TrackerTimeout: if it does not come in time.
        """
        wanted = nanoseconds_of(stamp)

        def find(answer: TrackedTargetArray) -> TrackedTarget | None:
            targets = answer.targets if _of(answer, wanted) else ()
            return next((track for track in targets if track.id == id), None)

        return self._wait(find, wanted, timeout, f"track of target {id}")

    def _wait(self, find: Callable[[TrackedTargetArray], Any], wanted: int | None, timeout: float, what: str) -> Any:
        of = "" if wanted is None else f" for the image of {as_text(wanted)}"
        return self._tracks.wait(find, timeout, f"no {what}{of} came from '{self._name}'", kept=wanted is not None)

    def _set_by(self, request: SetTarget.Request, stamp: Any, timeout: float) -> int:
        if stamp is not None:
            request.header.stamp = stamp_message(stamp)
        late = None if request.id else self._take_back
        return int(self._order(SetTarget, "set_target", request, timeout, late).id)

    def _take_back(self, late: Any) -> None:
        """Remove a target that was set after its caller had given up."""
        answer = late.result()
        if answer is not None and answer.success:
            client = self._services.client(RemoveTarget, "remove_target")
            client.call_async(RemoveTarget.Request(id=answer.id))


def _of(message: Any, wanted: int | None) -> Any:
    """A message if it is of a stamp, or of any where none is wanted."""
    return message if wanted is None or to_nanoseconds(message.header.stamp) == wanted else None
