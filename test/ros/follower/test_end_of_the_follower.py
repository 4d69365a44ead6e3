"""What the robot is told last when the follower is ended while it drives."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
from geometry_msgs.msg import Point, TwistStamped, Vector3
from rclpy.action import ActionClient
from tracker_graph import TRACKER, Graph, Inbox, wait_until

from siam_tracker_ros.follow_demo.messages import header_at
from siam_tracker_ros.interfaces import FollowTarget, TargetPosition, TargetPositionArray, TrackedTarget
from siam_tracker_ros.node_process import NodeProcess
from siam_tracker_ros.qos import output_qos

FOLLOWER = (sys.executable, "-m", "siam_tracker_ros.follower.main")
PATIENCE = 60.0


@contextmanager
def positions(graph: Graph) -> Iterator[None]:
    """Tell ten times a second that target 1 is three metres ahead."""
    publisher = graph.node.create_publisher(TargetPositionArray, f"{TRACKER}/target_positions", output_qos(10))
    over = threading.Event()
    ahead = TargetPosition(
        id=1,
        state=TrackedTarget.STATE_TRACKING,
        score=0.9,
        ray=Vector3(z=1.0),
        distance=3.0,
        point=Point(z=3.0),
    )

    def publish() -> None:
        seconds = 1.0
        while not over.wait(0.1):
            seconds += 0.1
            publisher.publish(TargetPositionArray(header=header_at(seconds), positions=[ahead]))

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        graph.node.destroy_publisher(publisher)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_follower_that_is_ended_stops_the_robot(ros_environment: Mapping[str, str], number: int) -> None:
    graph = Graph()
    try:
        with (
            positions(graph),
            Inbox(graph, TwistStamped, "/cmd_vel") as commands,
            NodeProcess({}, environment=ros_environment, program=FOLLOWER) as follower,
        ):
            client = ActionClient(graph.node, FollowTarget, "follow_target")
            assert client.wait_for_server(PATIENCE), follower.log()
            client.send_goal_async(FollowTarget.Goal(id=1, distance=1.0))
            wait_until(
                lambda: commands.messages and commands.messages[-1].twist.linear.x > 0.1, PATIENCE, "the robot to drive"
            )
            follower.send_signal(number)
            assert follower.wait(PATIENCE) == 0, follower.log()
            assert "Traceback" not in follower.log(), follower.log()
            wait_until(lambda: commands.messages[-1].twist == TwistStamped().twist, PATIENCE, "the robot to be stopped")
            client.destroy()
    finally:
        graph.close()
