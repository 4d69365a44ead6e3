"""A service whose answers come when they are ready, without a thread that waits for each."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.node import Node

from siam_tracker_ros.qos import request_qos


class DeferredService:
    """Serves a callback that gives a future.

    rclpy sends what a callback returns at once. Here sending is put off until the future is done; whoever completes the
    future sends the answer.

    Args:
        node: whose service it is.
        kind: the service's type.
        name: of the service.
        callback: takes a request and gives the future of its response.
        group: in which the callback runs.
    """

    def __init__(
        self, node: Node, kind: Any, name: str, callback: Callable[[Any], Future[Any]], group: CallbackGroup
    ) -> None:
        self._callback = callback
        self._waiting: dict[int, Future[Any]] = {}
        self._lock = threading.Lock()
        self._service = node.create_service(kind, name, self._take, qos_profile=request_qos(), callback_group=group)
        self._send = self._service.send_response
        self._service.send_response = self._send_when_ready

    @property
    def waiting(self) -> int:
        """How many requests have no answer yet."""
        with self._lock:
            return len(self._waiting)

    def _take(self, request: Any, response: Any) -> Any:
        future = self._callback(request)
        with self._lock:
            self._waiting[id(response)] = future
        return response

    def _send_when_ready(self, response: Any, header: Any) -> None:
        with self._lock:
            future = self._waiting[id(response)]

        def send(done: Future[Any]) -> None:
            with self._lock:
                self._waiting.pop(id(response), None)
            with contextlib.suppress(InvalidHandle):  # the service may be gone by now
                self._send(done.result(), header)

        future.add_done_callback(send)
