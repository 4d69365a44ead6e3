"""Follow the best detection of a class with the robot, and tell what happens on the way.

    python examples/follow_from_detection.py person 1.5

Needs a tracker with the parameters detections and positions:=depth, a detector, and target_follower.
"""

from __future__ import annotations

import sys

import rclpy

from siam_tracker_ros.client import TrackerClient, TrackerError
from siam_tracker_ros.interfaces import FollowTarget


def main(class_id: str = "person", distance: str = "1.5") -> int:
    """Follow what a detector calls ``class_id`` at a distance in metres; returns the exit status."""
    rclpy.init()
    node = rclpy.create_node("follow_from_detection")
    try:
        with TrackerClient(node) as client:
            client.wait_until_ready(timeout=60.0)
            target = client.set_target_from_detection(class_id=class_id)
            result = client.follow(target, float(distance), timeout=300.0)
            for event in client.events:
                print(event.words)
            print(f"{result.message} (at {result.distance:.2f} m)")
            return int(result.outcome != FollowTarget.Result.OUTCOME_REACHED)
    except TrackerError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    if len(sys.argv) > 3:
        print("usage: python examples/follow_from_detection.py [CLASS [METRES]]", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(*sys.argv[1:]))
