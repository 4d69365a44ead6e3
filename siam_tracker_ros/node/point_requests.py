"""Targets set from other people's tools: a point or a region on a topic, as Foxglove and RViz can send them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from geometry_msgs.msg import PointStamped, PolygonStamped
from rclpy.node import Node

from siam_tracker_ros.interfaces import SetTarget
from siam_tracker_ros.qos import output_qos

_DEPTH = 10


class PointRequests:
    """Turns ``~/point`` and ``~/region`` into requests of the node's own ``~/set_target``.

    So they are checked, answered and told of exactly as every other request. Coordinates are pixels of the image whose
    stamp the header has; a stamp of zero means the newest image.

    Args:
        node: the tracker node.
        point_size: gives the side in pixels of the box around a point.
    """

    def __init__(self, node: Node, point_size: Callable[[], float]) -> None:
        self._node = node
        self._point_size = point_size
        self._client = node.create_client(SetTarget, "~/set_target")
        node.create_subscription(PointStamped, "~/point", self._take_point, output_qos(_DEPTH))
        node.create_subscription(PolygonStamped, "~/region", self._take_region, output_qos(_DEPTH))

    def _take_point(self, message: PointStamped) -> None:
        side = float(self._point_size())
        x, y = message.point.x - side / 2, message.point.y - side / 2
        self._ask("point", SetTarget.Request(header=message.header, x=x, y=y, width=side, height=side))

    def _take_region(self, message: PolygonStamped) -> None:
        points = message.polygon.points
        xs, ys = [point.x for point in points], [point.y for point in points]
        if len(points) < 2 or not all(map(math.isfinite, xs + ys)):
            self._node.get_logger().warning("a region was refused: it needs two corners or more, in pixels")
            return
        width, height = max(xs) - min(xs), max(ys) - min(ys)
        self._ask("region", SetTarget.Request(header=message.header, x=min(xs), y=min(ys), width=width, height=height))

    def _ask(self, what: str, request: SetTarget.Request) -> None:
        if not self._client.service_is_ready():
            self._node.get_logger().warning(f"a {what} was refused: the node has only just begun; send it again")
            return
        self._client.call_async(request).add_done_callback(lambda answer: self._tell(what, answer))

    def _tell(self, what: str, answer: Any) -> None:
        response = answer.result()
        if response.success:
            self._node.get_logger().info(f"the {what} is target {response.id}")
        else:
            self._node.get_logger().warning(f"a {what} was refused: {response.message}")
