"""What the node publishes about each image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from geometry_msgs.msg import PolygonStamped
from rclpy.context import Context
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from siam_tracker_ros.image_conversion import bgr_to_message, response_to_message
from siam_tracker_ros.interfaces import TrackedTargetArray
from siam_tracker_ros.node.annotations import annotations_message, import_foxglove_msgs
from siam_tracker_ros.node.answers import Answer
from siam_tracker_ros.node.drawing import draw_tracks
from siam_tracker_ros.node.messages import detections_message, import_vision_msgs, region_message, tracks_message
from siam_tracker_ros.node.parameters import Settings
from siam_tracker_ros.node.targets import Target
from siam_tracker_ros.qos import output_qos, say_soon, unheard_subscriptions

_TRACKS_DEPTH = 10
_IMAGES_DEPTH = 1


class Outputs:
    """The publishers of one node; made on configure, destroyed on cleanup.

    Args:
        node: whose publishers they are; they publish while it is active.
        settings: gives the present values of the node's parameters.
    """

    def __init__(self, node: LifecycleNode, settings: Callable[[], Settings]) -> None:
        self._node = node
        self._settings = settings
        self._vision = import_vision_msgs()
        self._tracks = self._publisher(TrackedTargetArray, "~/tracks", _TRACKS_DEPTH)
        self._response_map = self._publisher(Image, "~/response_map", _IMAGES_DEPTH)
        self._response_region = self._publisher(PolygonStamped, "~/response_region", _IMAGES_DEPTH)
        self._debug_image = self._publisher(Image, "~/debug_image", _IMAGES_DEPTH)
        self._foxglove = import_foxglove_msgs()
        self._annotations: Any = None
        if self._foxglove is not None:
            self._annotations = self._publisher(self._foxglove.ImageAnnotations, "~/annotations", _TRACKS_DEPTH)
        self._detections: Any = None
        if self._vision is not None:
            self._detections = self._publisher(self._vision.Detection2DArray, "~/detections", _TRACKS_DEPTH)

    def destroy(self) -> None:
        """Take the topics back."""
        for publisher in self._all():
            if publisher is not None:
                self._node.destroy_lifecycle_publisher(publisher)

    def _all(self) -> tuple[Any, ...]:
        images = (self._response_map, self._response_region, self._debug_image)
        return (self._tracks, *images, self._detections, self._annotations)

    def publish_tracks(self, answer: Answer) -> None:
        """Publish where the targets are; an image without targets gets an empty list, so every image is answered."""
        header = answer.image.header
        self._tracks.publish(tracks_message(header, answer.targets))
        if self._detections is not None:
            self._detections.publish(detections_message(header, answer.targets, self._vision))
        if self._annotations is not None and self._annotations.get_subscription_count():
            self._annotations.publish(annotations_message(header, answer.targets, self._foxglove))

    def publish_images(self, answer: Answer) -> None:
        """Publish the response map and the debug image, each only while someone subscribes to it."""
        header = answer.image.header
        if self._response_map.get_subscription_count():
            self._publish_response(header, answer.targets)
        if self._debug_image.get_subscription_count() and answer.pixels is not None:
            settings = self._settings()
            drawn = draw_tracks(answer.pixels, answer.targets, settings.debug_image_scale, settings.debug_image_labels)
            self._send(self._debug_image, bgr_to_message(drawn), header)

    def _publish_response(self, header: Header, targets: list[Target]) -> None:
        wanted = self._settings().response_map_target
        chosen = next((target for target in targets if wanted in (0, target.id)), None)
        if chosen is not None and chosen.result.response is not None:
            self._response_region.publish(region_message(header, chosen.result.response.box))
            self._send(self._response_map, response_to_message(chosen.result.response.values), header)

    @staticmethod
    def _send(publisher: Any, message: Image, header: Header) -> None:
        message.header = header
        publisher.publish(message)

    def _publisher(self, kind: type, topic: str, depth: int) -> Any:
        qos = output_qos(depth)
        resolved = self._node.resolve_topic_name(topic)

        def incompatible(event: Any) -> None:
            policy = event.last_policy_kind
            log = self._node.get_logger().warning
            say_soon(self._node, lambda: unheard_subscriptions(self._node, resolved, qos, policy), log)

        return self._node.create_lifecycle_publisher(
            kind, topic, qos, event_callbacks=PublisherEventCallbacks(incompatible_qos=incompatible)
        )


def while_up(context: Context, publish: Callable[[Answer], None]) -> Callable[[Answer], None]:
    """The same as ``publish``, but silent where ROS was shut down while an image was worked on."""

    def guarded(answer: Answer) -> None:
        try:
            publish(answer)
        except Exception:
            if context.ok():
                raise

    return guarded
