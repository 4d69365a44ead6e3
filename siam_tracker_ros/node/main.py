"""Entry point of the tracker node; the node itself is ``siam_tracker_ros.node.tracker_node.TrackerNode``.

What can be missing on a machine is imported only when the node starts, so that its absence is one clear sentence.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

# Images, requests and everything else, each with a thread; see TrackerNode.
_THREADS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tracker node until it is interrupted.

    Args:
        arguments: the command line with the program's name first, including ``--ros-args``; ``sys.argv`` by default.

    Returns:
        The exit status: 0 after an interruption, 1 where the node could not start.
    """
    try:
        import rclpy
        from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor

        from siam_tracker_core.errors import SiamTrackerError
        from siam_tracker_ros.node.tracker_node import TrackerNode
    except ImportError as error:
        print(f"tracker_node cannot start: {error}", file=sys.stderr)
        return 1
    try:
        rclpy.init(args=list(sys.argv if arguments is None else arguments))
        node = TrackerNode()
    except (SiamTrackerError, RuntimeError) as error:  # rclpy's own, e.g. for a missing parameter file, are the latter
        print(f"tracker_node cannot start: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        return 1
    executor = MultiThreadedExecutor(num_threads=_THREADS)
    executor.add_node(node)
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RuntimeError:  # rclpy's own: an interruption between two waits leaves the second without a context
        if rclpy.ok():
            raise
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
