"""A node with its robot's side on, before the pictures of a made world."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sensor_msgs.msg import CameraInfo, Image
from tracker_graph import RELIABLE, Graph

from siam_tracker_core import Box
from siam_tracker_core.simulation import FollowWorld, Script
from siam_tracker_ros.client import TrackerClient
from siam_tracker_ros.follow_demo.messages import camera_info_message, depth_message, header_at, image_message
from siam_tracker_ros.interfaces import TrackedTarget, TrackedTargetArray

SIZE = (320, 240)


PARAMETERS = {
    "device": "cpu",
    "tracker": "siamrpn_mobilenetv2",  # when a target counts as lost is the tracker's affair, and not what is tested
    "positions": "depth",
    "prediction_rate": 50.0,
    "detections": "siam_tracker_msgs",
    "auto_target_score": 0.6,
}


@dataclass
class Chain:
    """The tracker node, and the world that it sees."""

    graph: Graph
    client: TrackerClient
    world: FollowWorld = field(default_factory=lambda: FollowWorld(Script(walk=0, pillar=False), SIZE))
    seconds: float = 100.0

    def __post_init__(self) -> None:
        node = self.graph.node
        self.info = node.create_publisher(CameraInfo, "/camera_info", RELIABLE)
        self.depth = node.create_publisher(Image, "/depth", RELIABLE)
        self.detections = node.create_publisher(TrackedTargetArray, "/detections", RELIABLE)
        # Last, because publishers are announced in their order: whoever hears this one hears the others.
        self.image = node.create_publisher(Image, "/image", RELIABLE)

    def look(self, depth: Any = "its own", late: float = 0.0, info: Any = None) -> Any:
        """Publish a picture with depth and calibration; gives its header once its tracks have come."""
        self.seconds += 0.1
        header = header_at(self.seconds)
        picture = self.world.picture()
        self.info.publish(info or camera_info_message(header, self.world.calibration))
        self.image.publish(image_message(header, picture.image))
        if depth is not None:
            seen = picture.depth if isinstance(depth, str) else depth
            self.depth.publish(depth_message(header_at(self.seconds + late), seen))
        self.client.wait_for_tracks(header, timeout=60)
        return header

    def detect(self, header: Any, *found: tuple[Box, str, float], frame_id: str = "") -> None:
        """Publish detections of the picture with this header."""
        targets = [
            TrackedTarget(x=box.x, y=box.y, width=box.width, height=box.height, label=kind, score=score)
            for box, kind, score in found
        ]
        message = TrackedTargetArray(header=header, targets=targets)
        message.header.frame_id = frame_id or header.frame_id
        self.detections.publish(message)

    @property
    def box(self) -> Box:
        box = self.world.box
        assert box is not None
        return box

    def begin(self) -> None:
        self.client.remove_all()
        self.world = FollowWorld(Script(walk=0, pillar=False), SIZE)
        self.graph.set_parameter("auto_target", "")
        self.graph.set_parameter("correct_size", False)
