"""The part of the tracker node that tells directions and positions."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image

from siam_tracker_core.camera import DepthSettings
from siam_tracker_ros.interfaces import TargetPositionArray
from siam_tracker_ros.positions.camera_source import CameraSource, is_rectified
from siam_tracker_ros.positions.depth_source import DepthSource
from siam_tracker_ros.positions.locating import Located, Locator
from siam_tracker_ros.positions.messages import (
    import_messages,
    markers_message,
    positions_message,
    transforms_of,
)
from siam_tracker_ros.qos import image_qos, output_qos
from siam_tracker_ros.robot_side.parameters import POSITIONS_DEPTH, RobotSettings
from siam_tracker_ros.robot_side.seen import SeenImage

_DEPTH = 10
_CALIBRATIONS = 1


class PositionsPart:
    """Subscribes to camera_info and depth, and publishes where the targets are in every image.

    An image whose depth image has not come yet waits for it until the next image comes.

    Args:
        node: whose topics they are.
        settings: gives the present values of the node's parameters.
        image_topic: resolved, for ``image_rectified``.
        complain: told once in a while, with a kind and a sentence, why positions are not known.
    """

    def __init__(
        self,
        node: LifecycleNode,
        settings: Callable[[], RobotSettings],
        image_topic: str,
        complain: Callable[[str, str], None],
    ) -> None:
        self._node = node
        self._settings = settings
        self._complain = complain
        self._lock = threading.Lock()
        self._waiting: SeenImage | None = None
        first = settings()
        self._camera = CameraSource(
            node.resolve_topic_name("camera_info"), is_rectified(first.image_rectified, image_topic)
        )
        self._depth: DepthSource | None = None
        self._subscriptions = [self._subscribe(CameraInfo, "camera_info", self._camera.take, _CALIBRATIONS)]
        if first.positions == POSITIONS_DEPTH:
            self._depth = DepthSource(node.resolve_topic_name("depth"))
            self._subscriptions.append(self._subscribe(Image, "depth", self._take_depth, _DEPTH))
        self._locator = Locator(
            lambda image: self._camera.model(image.size, image.header.frame_id),
            None if self._depth is None else self._depth_of,
        )
        self._positions = self._publish_on(TargetPositionArray, "~/target_positions")
        self._marker_types = import_messages("visualization_msgs")
        self._markers: Any = None
        if self._marker_types is not None:
            self._markers = self._publish_on(self._marker_types.MarkerArray, "~/markers")
        self._frame_types = import_messages("tf2_msgs")
        self._frames: Any = None
        if self._frame_types is not None:
            self._frames = self._publish_on(self._frame_types.TFMessage, "/tf")

    def destroy(self) -> None:
        """Take the topics back."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        for publisher in (self._positions, self._markers, self._frames):
            if publisher is not None:
                self._node.destroy_publisher(publisher)

    def saw(self, image: SeenImage) -> None:
        """Tell where the targets of an image are, now or when its depth image has come."""
        with self._lock:
            late, self._waiting = self._waiting, None
            if late is not None:
                self._publish(late)
            needs_depth = self._depth is not None and bool(image.targets)
            if needs_depth and self._depth is not None and not self._depth.has_passed(image.stamp):
                self._waiting = image
            else:
                self._publish(image)

    def _take_depth(self, message: Image) -> None:
        assert self._depth is not None
        self._depth.take(message)
        with self._lock:
            waiting = self._waiting
            if waiting is not None and self._depth.has_passed(waiting.stamp):
                self._waiting = None
                with contextlib.suppress(InvalidHandle):  # the node is being deactivated meanwhile
                    self._publish(waiting)

    def _depth_of(self, image: SeenImage) -> Any:
        assert self._depth is not None
        return self._depth.find(image.stamp, self._settings().depth_tolerance, image.header.frame_id)

    def _publish(self, image: SeenImage) -> None:
        settings = self._settings()
        located = self._locator.locate(
            image, DepthSettings(nearest=settings.depth_nearest, farthest=settings.depth_farthest)
        )
        self._positions.publish(positions_message(image.header, located))
        self._say(located)
        if self._markers is not None and self._markers.get_subscription_count():
            self._markers.publish(markers_message(image.header, located, self._marker_types))
        if settings.target_frames:
            self._publish_frames(image, located)

    def _publish_frames(self, image: SeenImage, located: list[Located]) -> None:
        if self._frame_types is None:
            self._complain("no tf2", "the parameter target_frames is true, but tf2_msgs is not installed: no frames")
            return
        transforms = transforms_of(image.header, located)
        if transforms:
            self._frames.publish(self._frame_types.TFMessage(transforms=transforms))

    def _say(self, located: list[Located]) -> None:
        for each in located:
            if each.reason and each.reason != each.target.reason:
                self._complain("no position", f"the position of target {each.target.id} is not known: {each.reason}")
                return

    def _subscribe(self, kind: type, topic: str, callback: Callable[[Any], None], depth: int) -> Any:
        group = MutuallyExclusiveCallbackGroup()
        return self._node.create_subscription(
            kind, topic, callback, image_qos("best_effort", depth), callback_group=group
        )

    def _publish_on(self, kind: type, topic: str) -> Any:
        return self._node.create_publisher(kind, topic, output_qos(_DEPTH))
