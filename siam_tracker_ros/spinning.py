"""A node whose callbacks run in a thread of their own, for programs that publish and measure meanwhile."""

from __future__ import annotations

import threading

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

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
