"""Services that are asked with a deadline, from any thread but the one that brings the answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node

from siam_tracker_ros.client.errors import TrackerError, TrackerTimeout
from siam_tracker_ros.qos import request_qos

Late = Callable[[Any], None]


class Services:
    """The services of one tracker node, each of which gets a client when it is first asked.

    Args:
        node: spun by another thread than those that ask.
        resolve: gives the full name of a service from its name below the tracker node's.
    """

    def __init__(self, node: Node, resolve: Callable[[str], str]) -> None:
        self._node = node
        self._resolve = resolve
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, kind: Any, service: str) -> Any:
        """The client of a service, made at the first call."""
        with self._lock:
            if service not in self._clients:
                name = self._resolve(service)
                self._clients[service] = self._node.create_client(kind, name, qos_profile=request_qos())
            return self._clients[service]

    def ask(self, kind: Any, service: str, request: Any, timeout: float, late: Late | None = None) -> Any:
        """Ask, and wait for the answer.

        Args:
            kind: the service's class.
            service: its name below the node's.
            request: to be sent.
            timeout: in seconds.
            late: called with the future of an answer that comes after that.

        Raises:
            TrackerTimeout: if there is no such service, or no answer in time.
        """
        began = time.monotonic()
        client = self.client(kind, service)
        if not client.wait_for_service(timeout):
            raise TrackerTimeout(
                f"there is no service {client.srv_name} after {timeout:g} seconds; is the node running?"
            )
        future = client.call_async(request)
        if not wait_for(future, began + timeout):
            if late is None:
                client.remove_pending_request(future)
            else:
                future.add_done_callback(late)
            raise TrackerTimeout(f"{client.srv_name} did not answer within {timeout:g} seconds")
        return future.result()

    def order(self, kind: Any, service: str, request: Any, timeout: float, late: Late | None = None) -> Any:
        """Ask a service whose answer says whether it did what was asked; as ``ask``.

        Raises:
            TrackerError: if it did not, with its reason.
        """
        answer = self.ask(kind, service, request, timeout, late)
        if not answer.success:
            raise TrackerError(answer.message)
        return answer


def wait_for(future: Any, deadline: float) -> bool:
    """Whether a future is done by a time of the monotonic clock."""
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    return done.wait(max(0.0, deadline - time.monotonic()))
