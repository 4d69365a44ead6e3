"""Foxglove's annotations, with stand-ins for its messages where they are not installed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed here")

from std_msgs.msg import ColorRGBA, Header

from siam_tracker_core import Box, TrackResult, TrackState
from siam_tracker_ros.node.annotations import annotations_message, import_foxglove_msgs
from siam_tracker_ros.node.messages import region_message


class Message(SimpleNamespace):
    """Takes any field, and has lists and a colour where a Foxglove message has them."""

    LINE_LOOP = 2

    def __init__(self, **fields: Any) -> None:
        empty = {"points": [], "texts": [], "outline_color": ColorRGBA(), "text_color": ColorRGBA()}
        super().__init__(**{**empty, **fields})


STAND_IN = SimpleNamespace(ImageAnnotations=Message, PointsAnnotation=Message, TextAnnotation=Message, Point2=Message)


def test_each_target_has_its_box_and_its_words() -> None:
    result = TrackResult(Box(10, 20, 30, 40), 0.75, TrackState.LOST)
    target = SimpleNamespace(id=3, label="cat", result=result)
    message = annotations_message(Header(), [target], import_foxglove_msgs() or STAND_IN)
    corners = [(point.x, point.y) for point in message.points[0].points]
    assert corners == [(10, 20), (40, 20), (40, 60), (10, 60)]
    assert message.points[0].type == 2
    assert message.texts[0].text == "3 cat lost 0.75"
    assert message.texts[0].text_color.r > message.texts[0].text_color.b, "vermilion for LOST"


def test_a_region_has_its_corners_clockwise() -> None:
    points = region_message(Header(), Box(1.5, 2, 3, 4)).polygon.points
    assert [(point.x, point.y) for point in points] == [(1.5, 2), (4.5, 2), (4.5, 6), (1.5, 6)]
