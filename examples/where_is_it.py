"""Print the direction and the distance of every target, as often as they come.

    python examples/where_is_it.py 10

Needs a tracker with the parameter positions:=bearing or positions:=depth.
"""

from __future__ import annotations

import math
import sys

import rclpy

from siam_tracker_ros.client import TrackerClient, TrackerError


def main(count: str = "10") -> int:
    """Print so many messages; returns the exit status."""
    rclpy.init()
    node = rclpy.create_node("where_is_it")
    try:
        with TrackerClient(node) as client:
            client.wait_until_ready(timeout=60.0)
            for _ in range(int(count)):
                for target in client.positions().positions:
                    left, up = math.degrees(target.azimuth), math.degrees(target.elevation)
                    print(
                        f"{target.id}: {left:+.1f} deg left, {up:+.1f} deg up, {target.distance:.2f} m {target.reason}"
                    )
    except TrackerError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print("usage: python examples/where_is_it.py [COUNT]", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(*sys.argv[1:]))
