"""Tracks as Foxglove's image annotations, which its Image panel draws over the camera's picture."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from std_msgs.msg import Header

from siam_tracker_core.drawing import COLOURS
from siam_tracker_ros.node.targets import Target

_THICKNESS, _FONT_SIZE = 2.0, 14.0  # pixels of the image


def import_foxglove_msgs() -> ModuleType | None:
    """``foxglove_msgs.msg``, or None where it is not installed."""
    try:
        return importlib.import_module("foxglove_msgs.msg")
    except ImportError:
        return None


def annotations_message(header: Header, targets: Sequence[Target], foxglove: Any) -> Any:
    """A box and a line of text for each target, in its state's colour, as a foxglove_msgs/ImageAnnotations.

    Args:
        header: of the image.
        targets: with boxes in pixels of the image.
        foxglove: the module ``foxglove_msgs.msg``.
    """
    message = foxglove.ImageAnnotations()
    for target in targets:
        message.points.append(_box(header, target, foxglove))
        message.texts.append(_text(header, target, foxglove))
    return message


def _box(header: Header, target: Target, foxglove: Any) -> Any:
    box = target.result.box
    annotation = foxglove.PointsAnnotation(timestamp=header.stamp, type=foxglove.PointsAnnotation.LINE_LOOP)
    corners = ((box.x, box.y), (box.right, box.y), (box.right, box.bottom), (box.x, box.bottom))
    annotation.points = [foxglove.Point2(x=float(x), y=float(y)) for x, y in corners]
    annotation.outline_color = _colour(target, annotation.outline_color)
    annotation.thickness = _THICKNESS
    return annotation


def _text(header: Header, target: Target, foxglove: Any) -> Any:
    result = target.result
    words = f"{target.id} {target.label}".strip()
    annotation = foxglove.TextAnnotation(
        timestamp=header.stamp, text=f"{words} {result.state.value} {result.score:.2f}"
    )
    annotation.position = foxglove.Point2(x=float(result.box.x), y=float(result.box.y))
    annotation.font_size = _FONT_SIZE
    annotation.text_color = _colour(target, annotation.text_color)
    return annotation


def _colour(target: Target, colour: Any) -> Any:
    """A std_msgs/ColorRGBA, filled with the colour of the target's state."""
    blue, green, red = COLOURS[target.result.state]
    colour.r, colour.g, colour.b, colour.a = red / 255, green / 255, blue / 255, 1.0
    return colour
