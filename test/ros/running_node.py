"""A node that runs with a camera in front of it and a client beside it, which several test files share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from tracker_graph import Camera, Graph, Inbox, Scene, wait_until

from siam_tracker_ros.client import TrackerClient
from siam_tracker_ros.interfaces import TrackedTarget
from siam_tracker_ros.node_process import NodeProcess

HISTORY = 20


@dataclass
class Setup:
    """The node with a camera in front of it and a client beside it."""

    graph: Graph
    node: NodeProcess
    camera: Camera
    client: TrackerClient
    scene: Scene

    def show(self, moment: int) -> Any:
        """Send the scene at a moment and wait until the node has answered it."""
        return self.answered(self.camera.message(self.scene.image(moment)))

    def answered(self, message: Any) -> Any:
        self.camera.send(message)
        self.client.wait_for_tracks(message)
        return message

    def tracks(self, message: Any) -> dict[int, TrackedTarget]:
        return {track.id: track for track in self.client.wait_for_tracks(message).targets}

    def track(self, target: int, message: Any) -> TrackedTarget:
        return self.client.wait_for_track(target, message, timeout=5.0)

    def figures(self, inbox: Inbox, wanted: Callable[[dict[str, Any]], Any] = lambda figures: True) -> dict[str, Any]:
        """The first of the node's diagnostics that are as wanted: the newest may be from before what was done last."""
        return wait_until(lambda: next(filter(wanted, map(_figures, inbox.messages[-1:])), None), what="diagnostics")


def _figures(message: DiagnosticArray) -> dict[str, Any]:
    (status,) = message.status
    return {"level": status.level, "message": status.message, "name": status.name} | {
        value.key: value.value for value in status.values
    }
