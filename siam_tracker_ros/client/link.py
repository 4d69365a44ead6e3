"""The connection to one tracker node: a small node with a thread of its own, services and topics."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from lifecycle_msgs.srv import GetState
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from siam_tracker_ros.client.errors import TrackerTimeout
from siam_tracker_ros.client.mailbox import Mailbox
from siam_tracker_ros.client.robot import RobotClient
from siam_tracker_ros.client.services import Services
from siam_tracker_ros.interfaces import RemoveTarget, SetTarget, TrackedTargetArray

_clients = itertools.count()
_Own = TypeVar("_Own", bound="TrackerLink")


class TrackerLink:
    """What ``TrackerClient`` stands on; its arguments are the same."""

    def __init__(
        self,
        node: Node,
        tracker_name: str = "/siam_tracker",
        on_tracks: Callable[[TrackedTargetArray], None] | None = None,
        follow_action: str = "follow_target",
    ) -> None:
        self._name = tracker_name.rstrip("/")
        self._node = Node(
            f"{node.get_name()}_tracker_client_{next(_clients)}",
            namespace=node.get_namespace(),
            context=node.context,
            use_global_arguments=False,  # they were meant for the user's node and would rename this one
            start_parameter_services=False,
            enable_rosout=False,
        )
        # First of all: a tracker that answers a call then knows of the subscription too.
        topic = node.resolve_topic_name(f"{self._name}/tracks")
        self._tracks = Mailbox(self._node, TrackedTargetArray, topic, on_tracks)
        self._services = Services(self._node, lambda name: node.resolve_service_name(f"{self._name}/{name}"))
        self._set = self._services.client(SetTarget, "set_target")
        self._state = self._services.client(GetState, "get_state")
        self._services.client(RemoveTarget, "remove_target")
        full_name = node.resolve_topic_name(self._name)
        self._robot = RobotClient(self._node, full_name, node.resolve_service_name(follow_action))
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, name="tracker client", daemon=True)
        self._thread.start()

    def __enter__(self: _Own) -> _Own:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the ROS graph. Not to be called from ``on_tracks``."""
        self._executor.shutdown()
        self._thread.join(timeout=5.0)
        self._robot.destroy()
        self._node.destroy_node()

    def wait_until_ready(self, timeout: float = 10.0) -> None:
        """Wait until the tracker is active, so that it can be asked and its tracks will be heard.

        Args:
            timeout: in seconds.

        Raises:
            TrackerTimeout: if it is not there in time.
        """
        deadline = time.monotonic() + timeout
        state = ""
        while not (state == "active" and self._node.count_publishers(self._tracks.topic)):
            if time.monotonic() > deadline:
                found = f"is {state}; activate it" if state else "is not there; is its node running, in this domain?"
                raise TrackerTimeout(f"after {timeout:g} seconds the tracker '{self._name}' {found}")
            time.sleep(0.02)
            if self._state.service_is_ready():
                with contextlib.suppress(TrackerTimeout):
                    state = self.call(GetState, "get_state", GetState.Request(), timeout=1.0).current_state.label

    @property
    def is_there(self) -> bool:
        """Whether the tracker node can be asked now."""
        return bool(self._set.service_is_ready())

    def call(self, kind: Any, service: str, request: Any, timeout: float = 10.0) -> Any:
        """Call any service of the tracker node, such as those of its parameters and its lifecycle.

        Args:
            kind: the service's class.
            service: its name below the node's, e.g. ``"change_state"``.
            request: of that class.
            timeout: in seconds.

        Returns:
            The response.

        Raises:
            TrackerTimeout: if the tracker does not answer in time.
        """
        self._check_thread()
        return self._services.ask(kind, service, request, timeout)

    def _order(
        self, kind: Any, service: str, request: Any, timeout: float, late: Callable[[Any], None] | None = None
    ) -> Any:
        self._check_thread()
        return self._services.order(kind, service, request, timeout, late)

    def _check_thread(self) -> None:
        if threading.current_thread() is self._thread:
            raise RuntimeError(
                "on_tracks must not call the tracker, nor on_feedback: the answer would come through the same thread"
            )

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()
