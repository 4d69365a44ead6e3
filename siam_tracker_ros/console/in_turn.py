"""Work that must be done in the thread that spins a node."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from rclpy.node import Node


class InTurn:
    """Runs jobs between the node's callbacks.

    A subscription that is destroyed while the executor waits for it ends the executor (rclpy raises InvalidHandle), so
    subscriptions come and go here. The node must be spun by a single-threaded executor.

    Args:
        node: not spun yet.
    """

    def __init__(self, node: Node) -> None:
        self._jobs: deque[Callable[[], None]] = deque()
        self._guard = node.create_guard_condition(self._work)

    def do(self, job: Callable[[], None]) -> None:
        """Run a job soon; may be called from any thread, returns at once."""
        self._jobs.append(job)
        self._guard.trigger()

    def _work(self) -> None:
        while self._jobs:
            self._jobs.popleft()()
