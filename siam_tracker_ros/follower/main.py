"""Entry point of the follower node, ``siam_tracker_ros.follower.node.TargetFollower``."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence

from siam_tracker_ros.ending import Ending, leave
from siam_tracker_ros.programs import cannot_start

_THREADS = 5  # positions, control, the goal, the goal that takes its place, and requests
# Seconds from an interruption to the end, in which the robot is stopped, and of that for the goal to tell how it ended.
_GRACE, _LAST = 1.0, 0.3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the follower until it is interrupted; a robot that it drives is stopped then.

    Args:
        arguments: the command line with the program's name first, including ``--ros-args``; ``sys.argv`` by default.

    Returns:
        The exit status where the follower could not start, 1. Once it has started, the process ends here with status 0.
    """
    ending = Ending(_GRACE)
    try:
        import rclpy
        from rclpy.signals import SignalHandlerOptions

        from siam_tracker_core.errors import SiamTrackerError
        from siam_tracker_ros.follower.node import TargetFollower
        from siam_tracker_ros.spinning import serve
        from siam_tracker_ros.steady_executor import SteadyExecutor
    except ImportError as error:
        print(cannot_start("target_follower", error), file=sys.stderr)
        return 1
    interrupted = threading.Event()
    ending.in_order(interrupted.set)
    try:
        given = list(sys.argv if arguments is None else arguments)
        # rclpy's own handlers leave the graph first, after which no command could stop the robot any more.
        rclpy.init(args=given, signal_handler_options=SignalHandlerOptions.NO)
        node = TargetFollower()
    except (SiamTrackerError, RuntimeError) as error:
        print(f"target_follower cannot start: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        return 1
    executor = SteadyExecutor(_THREADS)
    executor.add_node(node)
    serve(executor)
    interrupted.wait()
    node.close()
    executor.shutdown(_LAST)
    rclpy.try_shutdown()
    leave(0)


if __name__ == "__main__":
    sys.exit(main())
