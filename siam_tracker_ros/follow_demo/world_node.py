"""A simulated robot with a camera: velocities in, pictures, calibration and depth out, in real time."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Sequence
from typing import Any

import rclpy
from geometry_msgs.msg import TwistStamped
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from siam_tracker_core.simulation import FollowWorld, Script
from siam_tracker_ros.follow_demo.messages import camera_info_message, depth_message, header_at, image_message
from siam_tracker_ros.interfaces import TrackedTarget, TrackedTargetArray
from siam_tracker_ros.qos import output_qos

_COMMAND_SECONDS = 0.3  # a drive without commands stops
_LONGEST_STEP = 0.2


class WorldNode(Node):
    """Steps the made world with the machine's clock, and publishes what its camera sees and where the target truly is.

    The world stands still until the first command that moves the robot, so that nothing is missed.

    Args:
        **options: passed on to ``rclpy.node.Node``.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("made_world", **options)
        rate = float(self.declare_parameter("rate", 15.0).value)
        width = int(self.declare_parameter("width", 640).value)
        height = int(self.declare_parameter("height", 480).value)
        self._world = FollowWorld(Script(), (width, height))
        self._image = self.create_publisher(Image, "camera/image_raw", output_qos(1))
        self._info = self.create_publisher(CameraInfo, "camera/camera_info", output_qos(1))
        self._depth = self.create_publisher(Image, "camera/depth/image_raw", output_qos(1))
        self._truth = self.create_publisher(TrackedTargetArray, "~/truth", output_qos(10))
        self._speeds = (0.0, 0.0)
        self._heard = self._stepped = time.monotonic()
        self.create_subscription(TwistStamped, "cmd_vel", self._drive, output_qos(10))
        self.create_timer(1 / rate, self._step, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _drive(self, command: TwistStamped) -> None:
        self._speeds = (command.twist.linear.x, command.twist.angular.z)
        self._heard = time.monotonic()

    def _step(self) -> None:
        now = time.monotonic()
        elapsed, self._stepped = min(now - self._stepped, _LONGEST_STEP), now
        forward, turn = self._speeds if now - self._heard < _COMMAND_SECONDS else (0.0, 0.0)
        if forward or turn or self._world.seconds:
            self._world.step(forward, turn, elapsed)
        picture = self._world.picture()
        header = header_at(self.get_clock().now().nanoseconds / 1e9)
        self._truth.publish(self._truth_message(header))
        self._info.publish(camera_info_message(header, self._world.calibration))
        self._depth.publish(depth_message(header, picture.depth))
        self._image.publish(image_message(header, picture.image))

    def _truth_message(self, header: Any) -> TrackedTargetArray:
        box = self._world.box
        targets = []
        if box is not None:
            targets = [TrackedTarget(header=header, id=1, x=box.x, y=box.y, width=box.width, height=box.height)]
        return TrackedTargetArray(header=header, targets=targets)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the world until it is interrupted; gives the exit status."""
    rclpy.init(args=list(sys.argv if arguments is None else arguments))
    executor = SingleThreadedExecutor()
    executor.add_node(WorldNode())
    with contextlib.suppress(ExternalShutdownException, KeyboardInterrupt):
        executor.spin()
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
