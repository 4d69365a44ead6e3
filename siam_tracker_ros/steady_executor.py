"""An executor with several threads that sleeps until a callback that it has handed out has begun."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from rclpy.context import Context
from rclpy.executors import MultiThreadedExecutor


class SteadyExecutor(MultiThreadedExecutor):
    """``MultiThreadedExecutor`` without its race between the spinning thread and those that run callbacks.

    Up to rclpy 7.1 the spinning thread hands a callback to a pool, and as long as it has not begun it hands it over
    again, without a pause and with the interpreter's lock (ros2/rclpy#1452, mended by ros2/rclpy#1547). On a machine
    with no core to spare the pool's thread begins late: one image was handed over 252 times within 195 ms, and the pool
    had to take all of these out of its queue before the next one. Here the spinning thread sleeps until the callback
    has begun.

    Args:
        num_threads: that run callbacks.
        context: to spin in; the default one by default.
    """

    def __init__(self, num_threads: int, *, context: Context | None = None) -> None:
        super().__init__(num_threads=num_threads, context=context)
        # In place of a pool that has started no thread yet.
        self._executor: ThreadPoolExecutor = PoolThatBegins(num_threads)


class PoolThatBegins(ThreadPoolExecutor):
    """A pool of threads whose ``submit`` returns when the work has begun."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """As ``ThreadPoolExecutor.submit``."""
        begun = threading.Event()

        def run() -> Any:
            begun.set()
            return work(*arguments, **named)

        future = super().submit(run)
        begun.wait()
        return future
