"""Give the tracker node a target, and print where it is, from a node of your own.

ros2 launch siam_tracker_ros tracker.launch.py image:=/camera/image_raw
python examples/ros_client.py 120,80,64,48 30
"""

from __future__ import annotations

import sys

import rclpy

from siam_tracker_ros.client import TrackerClient, TrackerError
from siam_tracker_ros.interfaces import TrackedTarget

STATES = {
    TrackedTarget.STATE_TRACKING: "tracking",
    TrackedTarget.STATE_UNCERTAIN: "uncertain",
    TrackedTarget.STATE_LOST: "lost",
}


def main(box: str, count: str = "30", tracker: str = "/siam_tracker") -> int:
    """Follow what is inside a box of the newest image for so many images; returns the exit status."""
    rclpy.init()
    node = rclpy.create_node("ros_client")
    try:
        with TrackerClient(node, tracker) as client:
            client.wait_until_ready(timeout=60.0)
            target = client.set_target([float(value) for value in box.split(",")], label="mine")
            for _ in range(int(count)):
                track = client.wait_for_track(target)
                print(f"{track.x:.0f},{track.y:.0f},{track.width:.0f},{track.height:.0f} {STATES[track.state]}")
            client.remove_target(target)
    except TrackerError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3, 4):
        print("usage: python examples/ros_client.py X,Y,WIDTH,HEIGHT [COUNT [NODE]]", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(*sys.argv[1:]))
