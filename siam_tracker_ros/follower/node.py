"""The node that serves ``follow_target``: positions in, velocities out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from geometry_msgs.msg import Twist, TwistStamped
from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.node import Node

from siam_tracker_ros.follower import parameters
from siam_tracker_ros.follower.control import Controller, Observation, Speeds
from siam_tracker_ros.follower.following import Following
from siam_tracker_ros.follower.frames import Frames, NoFrame
from siam_tracker_ros.interfaces import FollowTarget, TargetPositionArray, TrackedTarget
from siam_tracker_ros.node.complaints import Complaints
from siam_tracker_ros.qos import output_qos

_DEPTH = 10
_FEEDBACK_SECONDS = 0.1
_LOOK_SECONDS = 0.02
_ACKNOWLEDGED = Duration(seconds=0.5)  # that the last command may take to those who hear it


class TargetFollower(Node):
    """Follows one target at a time; a new goal takes the place of the one before.

    It publishes commands only while it has a goal, and one that stops the robot at its end. Its time is that of the
    machine's steady clock, or ROS time where ``use_sim_time`` is set. Needs an executor with at least four threads.

    Args:
        **options: passed on to ``rclpy.node.Node``.

    Raises:
        ConfigError: if a parameter is given a value that it cannot have.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("target_follower", **options)
        self._wiring = parameters.declare(self)
        self._frames = Frames(self, self._wiring.base_frame, self._wiring.camera_pose)
        self._complain = Complaints(self.get_logger().warning)
        self._lock = threading.Lock()
        self._following: Following | None = None
        self._positions: tuple[float, TargetPositionArray] | None = None
        kind = TwistStamped if self._wiring.stamped else Twist
        self._commands = self.create_publisher(kind, "cmd_vel", output_qos(_DEPTH))
        self._subscription = self.create_subscription(
            TargetPositionArray,
            "siam_tracker/target_positions",
            self._take,
            output_qos(_DEPTH),
            callback_group=MutuallyExclusiveCallbackGroup(),
        )
        simulated = bool(self.get_parameter("use_sim_time").value)
        self._seconds: Callable[[], float] = self._ros_seconds if simulated else time.monotonic
        clock = self.get_clock() if simulated else Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(
            1 / self._wiring.rate, self._control, callback_group=MutuallyExclusiveCallbackGroup(), clock=clock
        )
        self._server = ActionServer(
            self,
            FollowTarget,
            "follow_target",
            self._execute,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
            callback_group=ReentrantCallbackGroup(),
        )

    def close(self) -> None:
        """Stop the robot and end the goal; returns when the command was heard, or after half a second."""
        with self._lock:
            following, self._following = self._following, None
        if following is not None:
            following.end(FollowTarget.Result.OUTCOME_CANCELLED, "the follower ends")
            self._send(Speeds())
            self._commands.wait_for_all_acked(_ACKNOWLEDGED)

    def _ros_seconds(self) -> float:
        return float(self.get_clock().now().nanoseconds) / 1e9

    def _take(self, message: TargetPositionArray) -> None:
        with self._lock:
            self._positions = (self._seconds(), message)
            if self._following is not None:
                self._tell(self._following)

    def _tell(self, following: Following) -> None:
        """Hand the newest positions to a goal."""
        assert self._positions is not None
        seconds, message = self._positions
        goal = following.goal
        position = next((each for each in message.positions if each.id == goal.id), None)
        if position is None:
            gone = f"the tracker does not know target {goal.id} any more"
            following.heard(Observation(seconds, None, reason=gone), TrackedTarget.STATE_LOST)
            return
        try:
            mount = self._frames.mount(goal.frame_id, message.header.frame_id)
        except NoFrame as error:
            following.end(FollowTarget.Result.OUTCOME_REFUSED, str(error))
            return
        following.heard(mount.observation(seconds, position), position.state)

    def _control(self) -> None:
        with self._lock:
            following = self._following
            if following is None:
                return
            command = following.step(self._seconds())
            if following.done.is_set():
                self._following = None
            # Sent with the lock held, so that nothing comes after the command that stops the robot.
            self._send(Speeds() if following.done.is_set() else command.speeds)

    def _send(self, speeds: Speeds) -> None:
        twist = Twist()
        twist.linear.x, twist.angular.z, twist.angular.y = speeds.forward, speeds.turn, -speeds.tilt
        if not self._wiring.stamped:
            self._commands.publish(twist)
            return
        message = TwistStamped(twist=twist)
        message.header.stamp = self.get_clock().now().to_msg()
        message.header.frame_id = self._wiring.base_frame
        self._commands.publish(message)

    def _execute(self, handle: Any) -> FollowTarget.Result:
        goal = handle.request
        reason = self._why_not(goal)
        if reason:
            self.get_logger().warning(f"follow_target refused: {reason}")
            handle.abort()
            return FollowTarget.Result(
                outcome=FollowTarget.Result.OUTCOME_REFUSED, message=reason, bearing=float("nan"), distance=float("nan")
            )
        following = self._begin(goal)
        self.get_logger().info(f"following target {goal.id} at {goal.distance:g} m")
        while not following.done.wait(_FEEDBACK_SECONDS):
            if handle.is_cancel_requested:
                self._end(following, "cancelled by the client")
                break
            handle.publish_feedback(following.feedback(self._unheard()))
        return self._finish(handle, following)

    def _begin(self, goal: FollowTarget.Goal) -> Following:
        gimbal = self._wiring.mode == "gimbal"
        controller = Controller(parameters.read(self), goal.distance, goal.keep, gimbal)
        following = Following(goal, controller)
        with self._lock:
            former, self._following = self._following, following
            self._tell(following)
        if former is not None:
            former.end(FollowTarget.Result.OUTCOME_CANCELLED, f"a new goal for target {goal.id} took its place")
        return following

    def _end(self, following: Following, message: str) -> None:
        with self._lock:
            following.end(FollowTarget.Result.OUTCOME_CANCELLED, message)
            if self._following is following:
                self._following = None
                self._send(Speeds())

    def _finish(self, handle: Any, following: Following) -> FollowTarget.Result:
        result = following.result
        self.get_logger().info(f"target {following.goal.id} is no longer followed: {result.message}")
        if result.outcome == FollowTarget.Result.OUTCOME_REACHED:
            handle.succeed()
        elif handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.abort()
        return result

    def _why_not(self, goal: FollowTarget.Goal) -> str:
        """Why a goal cannot be followed, after a moment's patience; empty if it can."""
        if not 0 <= goal.distance < float("inf"):
            return f"the distance {goal.distance:g} m is impossible; give a positive one, or 0 to turn only"
        deadline = time.monotonic() + self._wiring.patience
        while True:
            reason = self._not_yet(goal) or self._unheard()
            if not reason or time.monotonic() > deadline:
                return reason
            time.sleep(_LOOK_SECONDS)

    def _not_yet(self, goal: FollowTarget.Goal) -> str:
        positions = self._positions
        if positions is None:
            return (
                f"no positions have come on {self._subscription.topic_name}; is the tracker active, with its parameter "
                "positions set to bearing or depth?"
            )
        ids = [each.id for each in positions[1].positions]
        if goal.id not in ids:
            known = ", ".join(map(str, ids)) or "none"
            return f"there is no target {goal.id}; the targets are: {known}"
        try:
            self._frames.mount(goal.frame_id, positions[1].header.frame_id)
        except NoFrame as error:
            return str(error)
        return ""

    def _unheard(self) -> str:
        """Why nobody hears the commands, or empty."""
        if self._commands.get_subscription_count():
            return ""
        reason = f"nobody subscribes to {self._commands.topic_name}; remap cmd_vel to the drive's topic"
        self._complain("unheard commands", reason)
        return reason
