"""What ``TrackerClient`` can do beside boxes and tracks: detections, positions, events, and a robot that follows."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.action import ActionClient
from rclpy.node import Node

from siam_tracker_ros.interfaces import FollowTarget, TargetEvent, TargetPositionArray
from siam_tracker_ros.qos import output_qos

_KEPT = 512


class TrackerError(RuntimeError):
    """The tracker refused a request; the sentence is the tracker node's own."""


class TrackerTimeout(TrackerError, TimeoutError):
    """The tracker did not answer in time."""


class Mailbox:
    """Keeps the newest messages of a topic, and lets others wait for one.

    Args:
        node: spun by another thread than those that wait.
        kind: of the messages.
        topic: fully resolved.
    """

    def __init__(self, node: Node, kind: Any, topic: str) -> None:
        self._arrived = threading.Condition()
        self._messages: deque[Any] = deque(maxlen=_KEPT)
        self._count = 0
        self._topic = topic
        node.create_subscription(kind, topic, self._take, output_qos(_KEPT))

    @property
    def messages(self) -> list[Any]:
        """Oldest first."""
        with self._arrived:
            return list(self._messages)

    def wait(self, fits: Callable[[Any], bool], timeout: float, what: str, kept: bool) -> Any:
        """The first message that fits.

        Args:
            fits: decides.
            timeout: in seconds.
            what: is waited for, in words.
            kept: whether one that came before this call will do; the newest of those then.

        Raises:
            TrackerTimeout: if none comes in time.
        """
        deadline = time.monotonic() + timeout
        with self._arrived:
            if kept:
                found = next(filter(fits, reversed(self._messages)), None)
                if found is not None:
                    return found
            seen = self._count
            while True:
                fresh = min(self._count - seen, len(self._messages))
                for message in list(self._messages)[len(self._messages) - fresh :]:
                    if fits(message):
                        return message
                seen = self._count
                if not self._arrived.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    raise TrackerTimeout(f"no {what} came on {self._topic} within {timeout:g} seconds")

    def _take(self, message: Any) -> None:
        with self._arrived:
            self._messages.append(message)
            self._count += 1
            self._arrived.notify_all()


class RobotClient:
    """The robot's side of one tracker, on a node that a thread of its owner spins.

    Args:
        node: spun by another thread than those that call.
        tracker_name: the tracker's full name.
        action_name: of the follower's action, fully resolved.
    """

    def __init__(self, node: Node, tracker_name: str, action_name: str) -> None:
        self.events = Mailbox(node, TargetEvent, f"{tracker_name}/events")
        self.positions = Mailbox(node, TargetPositionArray, f"{tracker_name}/target_positions")
        self._name = action_name
        self._action = ActionClient(node, FollowTarget, action_name)

    def destroy(self) -> None:
        """Leave the action."""
        self._action.destroy()

    def follow(
        self, goal: FollowTarget.Goal, timeout: float, on_feedback: Callable[[Any], None] | None
    ) -> FollowTarget.Result:
        """Send a goal and wait for its end; arguments and errors as for ``TrackerClient.follow``."""
        deadline = time.monotonic() + timeout
        if not self._action.wait_for_server(timeout):
            raise TrackerTimeout(
                f"there is no action {self._name} after {timeout:g} seconds; is target_follower running?"
            )
        tell = None if on_feedback is None else lambda message: on_feedback(message.feedback)
        handle = _result_of(self._action.send_goal_async(goal, feedback_callback=tell), deadline)
        if handle is None:
            raise TrackerTimeout(f"{self._name} did not take the goal within {timeout:g} seconds")
        try:
            answer = _result_of(handle.get_result_async(), deadline)
        except BaseException:
            handle.cancel_goal_async()
            raise
        if answer is None:
            handle.cancel_goal_async()
            raise TrackerTimeout(
                f"target {goal.id} was still followed after {timeout:g} seconds; following is cancelled"
            )
        if answer.result.outcome == FollowTarget.Result.OUTCOME_REFUSED:
            raise TrackerError(answer.result.message)
        return answer.result


def _result_of(future: Any, deadline: float) -> Any:
    """A future's result, or None where it does not come in time."""
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    return future.result() if done.wait(max(0.0, deadline - time.monotonic())) else None
