"""Use the tracker from a node of your own, without its services and topics showing.

::

    tracker = TrackerClient(my_node)
    tracker.wait_until_ready(timeout=10.0)
    target = tracker.set_target((100, 80, 40, 60), stamp=image, label="person")
    track = tracker.wait_for_track(target)
    print(track.x, track.y, track.score)

All calls block and may be made from anywhere: from a thread of your own, from the thread that spins your node, from
inside its callbacks, with your node spun by any executor or by none. The client does not depend on your node being
spun, because it has a small node of its own, spun by a thread of its own.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Protocol

from builtin_interfaces.msg import Time
from lifecycle_msgs.srv import GetState
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

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
from siam_tracker_ros.qos import output_qos, request_qos
from siam_tracker_ros.robot_client import RobotClient, TrackerError, TrackerTimeout
from siam_tracker_ros.stamps import as_text, to_nanoseconds

__all__ = ["BoxLike", "TrackerClient", "TrackerError", "TrackerTimeout"]

_HISTORY = 512  # answers kept, so that one that came before it was waited for is found
_clients = itertools.count()


class BoxLike(Protocol):
    """A box with a corner and a size in pixels, such as ``siam_tracker_core.Box``."""

    @property
    def x(self) -> float:
        """Left edge."""

    @property
    def y(self) -> float:
        """Top edge."""

    @property
    def width(self) -> float:
        """Extent along x."""

    @property
    def height(self) -> float:
        """Extent along y."""


class TrackerClient:
    """Talks to one tracker node.

    Args:
        node: your node; names are resolved in its namespace and with its remappings.
        tracker_name: of the tracker node, absolute or relative to your node's namespace.
        on_tracks: called with every TrackedTargetArray, in the client's thread; must not block.
        follow_action: name of the action of ``target_follower``, absolute or relative to your node's namespace.
    """

    def __init__(
        self,
        node: Node,
        tracker_name: str = "/siam_tracker",
        on_tracks: Callable[[TrackedTargetArray], None] | None = None,
        follow_action: str = "follow_target",
    ) -> None:
        self._name = tracker_name.rstrip("/")
        self._on_tracks = on_tracks
        self._arrived = threading.Condition()
        self._answers: deque[TrackedTargetArray] = deque(maxlen=_HISTORY)
        self._count = 0
        self._node = Node(
            f"{node.get_name()}_tracker_client_{next(_clients)}",
            namespace=node.get_namespace(),
            context=node.context,
            use_global_arguments=False,  # they were meant for the user's node and would rename this one
            start_parameter_services=False,
            enable_rosout=False,
        )
        # First of all: a tracker that answers a call then knows of the subscription too.
        self._tracks = self._node.create_subscription(
            TrackedTargetArray, node.resolve_topic_name(f"{self._name}/tracks"), self._take, output_qos(_HISTORY)
        )
        self._set = self._node.create_client(
            SetTarget, node.resolve_service_name(f"{self._name}/set_target"), qos_profile=request_qos()
        )
        self._remove = self._node.create_client(
            RemoveTarget, node.resolve_service_name(f"{self._name}/remove_target"), qos_profile=request_qos()
        )
        self._state = self._node.create_client(GetState, node.resolve_service_name(f"{self._name}/get_state"))
        full_name = node.resolve_topic_name(self._name)
        self._robot = RobotClient(self._node, full_name, node.resolve_service_name(follow_action))
        self._resolve = node.resolve_service_name
        self._others: dict[str, Any] = {}
        self._others_lock = threading.Lock()
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, name="tracker client", daemon=True)
        self._thread.start()

    def __enter__(self) -> TrackerClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the ROS graph. Not to be called from ``on_tracks``."""
        self._executor.shutdown()
        self._thread.join(timeout=5.0)
        self._robot.destroy()
        self._node.destroy_node()

    @property
    def latest(self) -> TrackedTargetArray | None:
        """The tracks in the newest image that was answered, or None before the first."""
        with self._arrived:
            return self._answers[-1] if self._answers else None

    def wait_until_ready(self, timeout: float = 10.0) -> None:
        """Wait until the tracker is active, so that it can be asked and its tracks will be heard.

        Args:
            timeout: in seconds.

        Raises:
            TrackerTimeout: if it is not there in time.
        """
        deadline = time.monotonic() + timeout
        state = ""
        while not (state == "active" and self._tracks_are_published()):
            if time.monotonic() > deadline:
                found = f"is {state}; activate it" if state else "is not there; is its node running, in this domain?"
                raise TrackerTimeout(f"after {timeout:g} seconds the tracker '{self._name}' {found}")
            time.sleep(0.02)
            if self._state.service_is_ready():
                with contextlib.suppress(TrackerTimeout):
                    state = self._ask(self._state, GetState.Request(), timeout=1.0).current_state.label

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
        x, y, width, height = _box_values(box)
        if not 0 <= id < 2**32:
            raise TrackerError(f"the id {id} is impossible; give 0 for a new target, or 1 to {2**32 - 1}")
        request = SetTarget.Request(x=x, y=y, width=width, height=height, id=id, label=label)
        if stamp is not None:
            request.header.stamp = _stamp_message(stamp)
        return int(self._call(self._set, request, timeout, None if id else self._take_back).id)

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
        if stamp is not None:
            request.header.stamp = _stamp_message(stamp)
        return int(self._call(self._set, request, timeout, None if id else self._take_back).id)

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

        def fits(event: TargetEvent) -> bool:
            return bool(event.kind == kind and id in (None, event.id))

        return self._robot.events.wait(fits, timeout, "such event", kept=False)

    def positions(self, stamp: Any = None, timeout: float = 10.0) -> TargetPositionArray:
        """Wait for directions and positions of all targets; the tracker's parameter ``positions`` must not be off.

        Args:
            stamp: of the image, in any form that ``set_target`` takes; the message may have come before this call.
                None for the next message from now on.
            timeout: in seconds.

        Raises:
            TrackerTimeout: if they do not come in time.
        """
        wanted = None if stamp is None else to_nanoseconds(_stamp_message(stamp))

        def fits(message: TargetPositionArray) -> bool:
            return wanted is None or to_nanoseconds(message.header.stamp) == wanted

        return self._robot.positions.wait(fits, timeout, "positions", kept=stamp is not None)

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
        if threading.current_thread() is self._thread:
            raise RuntimeError("a callback of the client must not wait for it: the answer comes through its thread")
        goal = FollowTarget.Goal(id=id, distance=float(distance), keep=keep, frame_id=frame_id)
        return self._robot.follow(goal, timeout, on_feedback)

    def remove_target(self, id: int, timeout: float = 10.0) -> None:
        """Stop following a target.

        Raises:
            TrackerError: if there is none with this id.
            TrackerTimeout: if the tracker does not answer in time.
        """
        if not 0 <= id < 2**32:
            raise TrackerError(f"there is no target {id}; ids go from 1 to {2**32 - 1}")
        self._call(self._remove, RemoveTarget.Request(id=id), timeout)

    def remove_all(self, timeout: float = 10.0) -> int:
        """Stop following all targets.

        Returns:
            How many there were.

        Raises:
            TrackerTimeout: if the tracker does not answer in time.
        """
        return int(self._call(self._remove, RemoveTarget.Request(all=True), timeout).removed)

    def label_target(self, id: int, label: str, timeout: float = 10.0) -> None:
        """Give a target another label; it is followed on as before.

        Raises:
            TrackerError: if there is none with this id.
            TrackerTimeout: if the tracker does not answer in time.
        """
        answer = self.call(LabelTarget, "label_target", LabelTarget.Request(id=id, label=label), timeout)
        if not answer.success:
            raise TrackerError(answer.message)

    @property
    def is_there(self) -> bool:
        """Whether the tracker node can be asked now."""
        return bool(self._set.service_is_ready())

    def call(self, kind: Any, service: str, request: Any, timeout: float = 10.0) -> Any:
        """Call any service of the tracker node, such as those of its parameters and its lifecycle.

        Args:
            kind: the service's class.
            service: its name below the node's, e.g. ``"change_state"``.
            request: of that class.
            timeout: in seconds.

        Returns:
            The response.

        Raises:
            TrackerTimeout: if the tracker does not answer in time.
        """
        with self._others_lock:
            if service not in self._others:
                name = self._resolve(f"{self._name}/{service}")
                self._others[service] = self._node.create_client(kind, name)
        return self._ask(self._others[service], request, timeout)

    def wait_for_tracks(self, stamp: Any = None, timeout: float = 10.0) -> TrackedTargetArray:
        """Wait for the answer to an image; every image that the tracker works on has one, if only an empty list.

        Args:
            stamp: of the image, in any form that ``set_target`` takes; the answer may have come before this call.
                None for the next answer from now on.
            timeout: in seconds.

        Raises:
            TrackerTimeout: if it does not come in time.
        """
        wanted = None if stamp is None else to_nanoseconds(_stamp_message(stamp))
        return self._wait(lambda answer: answer if _is_of(answer, wanted) else None, wanted, timeout, "answer")

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
        wanted = None if stamp is None else to_nanoseconds(_stamp_message(stamp))

        def find(answer: TrackedTargetArray) -> TrackedTarget | None:
            if not _is_of(answer, wanted):
                return None
            return next((track for track in answer.targets if track.id == id), None)

        return self._wait(find, wanted, timeout, f"track of target {id}")

    def _wait(self, find: Callable[[TrackedTargetArray], Any], wanted: int | None, timeout: float, what: str) -> Any:
        deadline = time.monotonic() + timeout
        with self._arrived:
            # The newest first: where a bag starts again, the same stamps come again.
            if wanted is not None:
                found = next(filter(None, map(find, reversed(self._answers))), None)
                if found is not None:
                    return found
            seen = self._count
            while True:
                fresh = min(self._count - seen, len(self._answers))
                for index in range(len(self._answers) - fresh, len(self._answers)):
                    found = find(self._answers[index])
                    if found is not None:
                        return found
                seen = self._count
                if not self._arrived.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    of = "" if wanted is None else f" for the image of {as_text(wanted)}"
                    raise TrackerTimeout(f"no {what}{of} came from '{self._name}' within {timeout:g} seconds")

    def _take(self, answer: TrackedTargetArray) -> None:
        with self._arrived:
            self._answers.append(answer)
            self._count += 1
            self._arrived.notify_all()
        if self._on_tracks is not None:
            self._on_tracks(answer)

    def _take_back(self, late: Any) -> None:
        """Remove a target that was set after its caller had given up."""
        answer = late.result()
        if answer is not None and answer.success:
            self._remove.call_async(RemoveTarget.Request(id=answer.id))

    def _call(self, client: Any, request: Any, timeout: float, late: Callable[[Any], None] | None = None) -> Any:
        answer = self._ask(client, request, timeout, late)
        if not answer.success:
            raise TrackerError(answer.message)
        return answer

    def _ask(self, client: Any, request: Any, timeout: float, late: Callable[[Any], None] | None = None) -> Any:
        """Ask a service, and wait.

        Args:
            client: of the service.
            request: to be sent.
            timeout: in seconds.
            late: called with the future of an answer that comes after that.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("on_tracks must not call the tracker: the answer would come through the same thread")
        began = time.monotonic()
        if not client.wait_for_service(timeout):
            raise TrackerTimeout(
                f"there is no service {client.srv_name} after {timeout:g} seconds; is the node running?"
            )
        done = threading.Event()
        future = client.call_async(request)
        future.add_done_callback(lambda _: done.set())
        if not done.wait(max(0.0, timeout - (time.monotonic() - began))):
            if late is None:
                client.remove_pending_request(future)
            else:
                future.add_done_callback(late)
            raise TrackerTimeout(f"{client.srv_name} did not answer within {timeout:g} seconds")
        return future.result()

    def _tracks_are_published(self) -> bool:
        return bool(self._node.count_publishers(self._tracks.topic_name))

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()


def _is_of(answer: TrackedTargetArray, wanted: int | None) -> bool:
    return wanted is None or to_nanoseconds(answer.header.stamp) == wanted


def _box_values(box: Any) -> tuple[float, float, float, float]:
    values = [float(value) for value in (_fields(box) if hasattr(box, "width") else box)]
    if len(values) != 4:
        raise ValueError(f"a box needs 4 numbers (x, y, width, height), got {len(values)}")
    return values[0], values[1], values[2], values[3]


def _fields(box: Any) -> tuple[float, float, float, float]:
    return box.x, box.y, box.width, box.height


def _stamp_message(stamp: Any) -> Time:
    if hasattr(stamp, "header"):
        stamp = stamp.header
    if hasattr(stamp, "stamp"):
        stamp = stamp.stamp
    if hasattr(stamp, "to_msg"):
        stamp = stamp.to_msg()
    if not isinstance(stamp, Time):
        raise TypeError(f"a {type(stamp).__name__} is no time stamp; expected a Time, a Header or a message with one")
    return stamp
