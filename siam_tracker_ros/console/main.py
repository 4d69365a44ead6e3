"""Entry point of the operator console; the node is ``siam_tracker_ros.console.operator_console.OperatorConsole``.

What can be missing on a machine is imported only when the node starts, so that its absence is one clear sentence.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence

from siam_tracker_ros.ending import Ending, leave
from siam_tracker_ros.programs import cannot_start

_SWITCH = 0.0005  # seconds; Python's own are 0.005
# Seconds from an interruption to the end at the latest, for a recording to be completed, and for a last callback.
_GRACE, _LAST = 5.0, 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the console until it is interrupted.

    Args:
        arguments: the command line with the program's name first, including ``--ros-args``; ``sys.argv`` by default.

    Returns:
        The exit status where the console could not start, 1. Once it has started, the process ends here with status 0.
    """
    ending = Ending(_GRACE)
    try:
        import cv2
        import rclpy
        from rclpy.exceptions import ParameterException
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.signals import SignalHandlerOptions

        from siam_tracker_core.errors import SiamTrackerError
        from siam_tracker_ros.console.operator_console import OperatorConsole
        from siam_tracker_ros.spinning import serve
    except ImportError as error:
        print(cannot_start("operator_console", error), file=sys.stderr)
        return 1
    # Pictures pass from the thread of ROS to the encoder's and on to the server's: each waits for Python's lock so long
    # at most, and none for a second thread of OpenCV's that the tracker keeps from its core.
    sys.setswitchinterval(_SWITCH)
    cv2.setNumThreads(1)
    interrupted = threading.Event()
    ending.in_order(interrupted.set)
    try:
        given = list(sys.argv if arguments is None else arguments)
        rclpy.init(args=given, signal_handler_options=SignalHandlerOptions.NO)
        node = OperatorConsole()
    except (SiamTrackerError, RuntimeError, ParameterException) as error:
        print(f"operator_console cannot start: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        return 1
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    spinning = serve(executor)
    interrupted.wait()
    node.finish()
    rclpy.try_shutdown()
    spinning.join(_LAST)
    if not spinning.is_alive():  # the node's share of shared memory would outlive the process
        executor.shutdown(0)
        node.destroy_node()
    leave(0)  # the threads that still wait for services need not be waited for


if __name__ == "__main__":
    sys.exit(main())
