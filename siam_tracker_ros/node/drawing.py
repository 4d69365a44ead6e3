"""The debug image: the source image with the tracks drawn on it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from siam_tracker_core import Box
from siam_tracker_core.drawing import COLOURS, draw_box, draw_track
from siam_tracker_ros.image_conversion import BgrImage
from siam_tracker_ros.node.targets import Target


def draw_tracks(image: BgrImage, targets: Sequence[Target], scale: float = 1.0, labels: bool = True) -> BgrImage:
    """A copy of the image with a box around each target: green tracking, orange uncertain, vermilion lost.

    Args:
        image: uint8 (H, W, 3) BGR; not changed.
        targets: with boxes in pixels of ``image``.
        scale: size of the copy as a share of the image's, in 0..1.
        labels: also write id, label, score and state.
    """
    height, width = image.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    canvas = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image.copy()
    for target in targets:
        result = target.result
        box = Box(*(result.box.to_array() * scale))
        if labels:
            draw_track(canvas, box, result.state, result.score, f"{target.id} {target.label}".strip())
        else:
            draw_box(canvas, box, COLOURS[result.state])
    return np.asarray(canvas, dtype=np.uint8)
