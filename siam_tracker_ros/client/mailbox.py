"""The newest messages of a topic, and waiting for one."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.node import Node

from siam_tracker_ros.client.errors import TrackerTimeout
from siam_tracker_ros.qos import output_qos

_KEPT = 512  # so that a message that came before it was waited for is found


class Mailbox:
    """Keeps the newest messages of a topic, and lets others wait for one.

    Args:
        node: spun by another thread than those that wait.
        kind: of the messages.
        topic: fully resolved.
        told: called with every message, in the thread that spins the node; must not block.
    """

    def __init__(self, node: Node, kind: Any, topic: str, told: Callable[[Any], None] | None = None) -> None:
        self._arrived = threading.Condition()
        self._messages: deque[Any] = deque(maxlen=_KEPT)
        self._count = 0
        self._told = told
        self.topic = topic
        node.create_subscription(kind, topic, self._take, output_qos(_KEPT))

    @property
    def messages(self) -> list[Any]:
        """Oldest first."""
        with self._arrived:
            return list(self._messages)

    @property
    def newest(self) -> Any:
        """The newest message, or None before the first."""
        with self._arrived:
            return self._messages[-1] if self._messages else None

    def wait(self, find: Callable[[Any], Any], timeout: float, what: str, kept: bool) -> Any:
        """The first thing that is found in a message.

        Args:
            find: what is wanted of a message; None or False if it is not there.
            timeout: in seconds.
            what: is waited for, in words that begin the sentence of the error.
            kept: whether a message that came before this call will do; the newest of those then, for where a bag
                starts again the same stamps come again.

        Raises:
            TrackerTimeout: if none comes in time.
        """
        deadline = time.monotonic() + timeout
        with self._arrived:
            if kept:
                found = next(filter(None, map(find, reversed(self._messages))), None)
                if found is not None:
                    return found
            seen = self._count
            while True:
                fresh = min(self._count - seen, len(self._messages))
                for index in range(len(self._messages) - fresh, len(self._messages)):
                    if found := find(self._messages[index]):
                        return found
                seen = self._count
                if not self._arrived.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    raise TrackerTimeout(f"{what} within {timeout:g} seconds")

    def _take(self, message: Any) -> None:
        with self._arrived:
            self._messages.append(message)
            self._count += 1
            self._arrived.notify_all()
        if self._told is not None:
            self._told(message)
