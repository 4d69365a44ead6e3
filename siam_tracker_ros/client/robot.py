"""What ``TrackerClient`` can do beside boxes and tracks: positions, events, and a robot that follows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.action import ActionClient
from rclpy.node import Node

from siam_tracker_ros.client.errors import TrackerError, TrackerTimeout
from siam_tracker_ros.client.mailbox import Mailbox
from siam_tracker_ros.client.services import wait_for
from siam_tracker_ros.interfaces import FollowTarget, TargetEvent, TargetPositionArray


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
    return future.result() if wait_for(future, deadline) else None
