"""Entry point of the operator console; the node is ``siam_tracker_ros.console.operator_console.OperatorConsole``.

What can be missing on a machine is imported only when the node starts, so that its absence is one clear sentence.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

_THREADS = 3  # images, tracks and everything else


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the console until it is interrupted.

    Args:
        arguments: the command line with the program's name first, including ``--ros-args``; ``sys.argv`` by default.

    Returns:
        The exit status where the console could not start, 1. Once it has started, the process ends here with status 0.
    """
    try:
        import rclpy
        from rclpy.exceptions import ParameterException
        from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor

        from siam_tracker_core.errors import SiamTrackerError
        from siam_tracker_ros.console.operator_console import OperatorConsole
    except ImportError as error:
        print(f"operator_console cannot start: {error}", file=sys.stderr)
        return 1
    try:
        rclpy.init(args=list(sys.argv if arguments is None else arguments))
        node = OperatorConsole()
    except (SiamTrackerError, RuntimeError, ParameterException) as error:
        print(f"operator_console cannot start: {error}", file=sys.stderr)
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
        node.finish()
    sys.stdout.flush()
    sys.stderr.flush()
    # Everything is done that must not be lost. The middleware's own teardown now and then waits for ever for a
    # subscription that another thread has just taken away.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
