"""Nodes whose callbacks run in a thread of their own, for programs that do something else meanwhile."""

from __future__ import annotations

import threading
import traceback

import rclpy
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from siam_tracker_ros.ending import leave

_PATIENCE = 5.0  # seconds that a last callback may take


class Spinning:
    """Runs a node's callbacks from now on until it is stopped.

    Args:
        node: whose they are; it stays its owner's.
    """

    def __init__(self, node: Node) -> None:
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let no further callback begin, and wait for the last one."""
        self._executor.shutdown()
        self._thread.join(_PATIENCE)


def serve(executor: Executor) -> threading.Thread:
    """Serve the callbacks of an executor's nodes in a thread, until the executor or the graph is shut down.

    A defect ends the process with status 1: a node that hears nothing must not stay.
    """
    thread = threading.Thread(target=_serve, args=(executor,), name="ROS", daemon=True)
    thread.start()
    return thread


def _serve(executor: Executor) -> None:
    try:
        executor.spin()
    except ExternalShutdownException:
        pass
    except BaseException:
        if rclpy.ok():  # an interruption between two waits leaves the second without a context
            traceback.print_exc()
            leave(1)
