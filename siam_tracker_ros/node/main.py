"""Entry point of the tracker node; the node itself is ``siam_tracker_ros.node.tracker_node.TrackerNode``.

What can be missing on a machine is imported only when the node starts, so that its absence is one clear sentence.
An interruption ends the process within half a second at any moment.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from siam_tracker_ros.ending import Ending, leave
from siam_tracker_ros.programs import cannot_start

# The two services, the watchdog, diagnostics, camera_info with depth, detections, predictions and everything else, each
# with a thread; see TrackerNode.
_THREADS = 8
# Seconds from a signal to the end of the process, whatever is still being done, and for the image in work of that.
_GRACE = 0.35
_IMAGE_GRACE = 0.15


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tracker node until it is interrupted.

    Args:
        arguments: the command line with the program's name first, including ``--ros-args``; ``sys.argv`` by default.

    Returns:
        The exit status where the node could not start, 1. Once it has started the process ends here.
    """
    ending = Ending(_GRACE)
    try:
        import rclpy
        from rclpy.signals import SignalHandlerOptions

        from siam_tracker_core.errors import SiamTrackerError
        from siam_tracker_ros.node.tracker_node import TrackerNode
    except ImportError as error:
        print(cannot_start("tracker_node", error), file=sys.stderr)
        return 1
    try:
        given = list(sys.argv if arguments is None else arguments)
        rclpy.init(args=given, signal_handler_options=SignalHandlerOptions.NO)
        node = TrackerNode()
    except (SiamTrackerError, RuntimeError) as error:  # rclpy's own, e.g. for a missing parameter file, are the latter
        print(f"tracker_node cannot start: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        return 1
    spin(node, ending)


def spin(node: object, ending: Ending) -> NoReturn:
    """Run a node until the process is interrupted, and end the process.

    Args:
        node: a ``TrackerNode``.
        ending: hears of the interruption.
    """
    import rclpy
    from rclpy.executors import ExternalShutdownException

    from siam_tracker_ros.steady_executor import SteadyExecutor

    executor = SteadyExecutor(_THREADS)
    executor.add_node(node)

    def end() -> None:
        if node.loading:  # type: ignore[attr-defined]
            leave(0)
        rclpy.try_shutdown()

    ending.in_order(end)
    status = 0
    try:
        executor.spin()
    except ExternalShutdownException:
        pass
    except RuntimeError:  # rclpy's own: an interruption between two waits leaves the second without a context
        if rclpy.ok():
            raise
    finally:
        node.close(_IMAGE_GRACE)  # type: ignore[attr-defined]
        rclpy.try_shutdown()
        executor.shutdown(0)  # what it waited with holds the node, and that the middleware's shared memory
    leave(status)


if __name__ == "__main__":
    sys.exit(main())
