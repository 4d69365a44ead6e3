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

from siam_tracker_ros.programs import cannot_start

_ENDINGS = (signal.SIGINT, signal.SIGTERM)


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
        from rclpy.signals import SignalHandlerOptions

        from siam_tracker_core.errors import SiamTrackerError
        from siam_tracker_ros.console.operator_console import OperatorConsole
    except ImportError as error:
        print(cannot_start("operator_console", error), file=sys.stderr)
        return 1
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
    threading.Thread(target=_spin, args=(node,), name="ROS", daemon=True).start()
    signal.sigwait(_ENDINGS)
    node.finish()
    sys.stdout.flush()
    sys.stderr.flush()
    # Nothing is left that could be lost, and the threads that still wait for services need not be waited for.
    os._exit(0)


def _spin(node: object) -> None:
    """Serve the node's callbacks; a defect ends the process, for a console that hears nothing must not stay."""
    from rclpy.executors import SingleThreadedExecutor

    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        executor.spin()
    except BaseException:
        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
