"""Entry point of the follower node, ``siam_tracker_ros.follower.node.TargetFollower``."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

from siam_tracker_ros.programs import cannot_start

_THREADS = 5  # positions, control, the goal, the goal that takes its place, and requests


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the follower until it is interrupted; gives the exit status."""
    try:
        import rclpy
        from rclpy.executors import ExternalShutdownException

        from siam_tracker_core.errors import SiamTrackerError
        from siam_tracker_ros.follower.node import TargetFollower
        from siam_tracker_ros.steady_executor import SteadyExecutor
    except ImportError as error:
        print(cannot_start("target_follower", error), file=sys.stderr)
        return 1
    try:
        rclpy.init(args=list(sys.argv if arguments is None else arguments))
        node = TargetFollower()
    except (SiamTrackerError, RuntimeError) as error:
        print(f"target_follower cannot start: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        return 1
    executor = SteadyExecutor(_THREADS)
    executor.add_node(node)
    with contextlib.suppress(ExternalShutdownException, KeyboardInterrupt):
        executor.spin()
    with contextlib.suppress(Exception):  # after a shutdown nothing can be sent any more
        node.close()
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
