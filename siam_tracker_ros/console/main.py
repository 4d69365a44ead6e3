"""Entry point of the operator console; the node is ``siam_tracker_ros.console.operator_console.OperatorConsole``.

What can be missing on a machine is imported only when the node starts, so that its absence is one clear sentence.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from siam_tracker_ros.programs import cannot_start

if TYPE_CHECKING:
    from rclpy.executors import Executor
    from rclpy.node import Node

_ENDINGS = (signal.SIGINT, signal.SIGTERM)
_SWITCH = 0.0005  # seconds; Python's own are 0.005
_GRACE = 1.0  # seconds to leave the ROS graph in good order


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the console until it is interrupted.

    Args:
        arguments: the command line with the program's name first, including ``--ros-args``; ``sys.argv`` by default.

    Returns:
        The exit status where the console could not start, 1. Once it has started, the process ends here with status 0.
    """
    try:
        import cv2
        import rclpy
        from rclpy.exceptions import ParameterException
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.signals import SignalHandlerOptions

        from siam_tracker_core.errors import SiamTrackerError
        from siam_tracker_ros.console.operator_console import OperatorConsole
    except ImportError as error:
        print(cannot_start("operator_console", error), file=sys.stderr)
        return 1
    # Pictures pass from the thread of ROS to the encoder's and on to the server's: each waits for Python's lock so long
    # at most, and none for a second thread of OpenCV's that the tracker keeps from its core.
    sys.setswitchinterval(_SWITCH)
    cv2.setNumThreads(1)
    # Before any thread is there, so that none but this one hears of an interruption.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
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
    spinning = threading.Thread(target=_spin, args=(executor,), name="ROS", daemon=True)
    spinning.start()
    signal.sigwait(_ENDINGS)
    node.finish()
    rclpy.try_shutdown()
    leaving = threading.Thread(target=_leave, args=(node, executor, spinning), name="leaving", daemon=True)
    leaving.start()
    leaving.join(_GRACE)
    sys.stdout.flush()
    sys.stderr.flush()
    # Nothing is left that could be lost, and the threads that still wait for services need not be waited for.
    os._exit(0)


def _leave(node: Node, executor: Executor, spinning: threading.Thread) -> None:
    """Let go of the node once nothing is called any more: its share of shared memory outlives the process otherwise."""
    spinning.join()
    executor.shutdown(0)
    node.destroy_node()


def _spin(executor: Executor) -> None:
    """Serve the node's callbacks; a defect ends the process, for a console that hears nothing must not stay."""
    import rclpy
    from rclpy.executors import ExternalShutdownException

    try:
        executor.spin()
    except ExternalShutdownException:
        pass
    except BaseException:
        if rclpy.ok():  # an interruption between two waits leaves the second without a context
            traceback.print_exc()
            os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
