"""Boxes on images, for overlays and debug pictures."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.geometry import Box
from siam_tracker_core.trackers.results import TrackState

# BGR, told apart by colour-blind eyes too (Okabe and Ito's palette)
COLOURS = {
    TrackState.TRACKING: (115, 158, 0),
    TrackState.UNCERTAIN: (0, 159, 230),
    TrackState.LOST: (0, 94, 213),
}


def draw_box(image: NDArray[np.uint8], box: Box, colour: tuple[int, int, int], text: str = "") -> None:
    """Draw a box and a line of text above it, into the image itself.

    Args:
        image: uint8 (H, W, 3) BGR.
        box: in pixels.
        colour: BGR, 0..255.
        text: ASCII.
    """
    thickness = max(1, round(min(image.shape[:2]) / 240))
    left, top = round(box.x), round(box.y)
    cv2.rectangle(image, (left, top), (round(box.right), round(box.bottom)), colour, thickness, cv2.LINE_AA)
    if text:
        scale = max(0.4, min(image.shape[:2]) / 900)
        (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        top = max(top, height + base + 2)
        cv2.rectangle(image, (left, top - height - base - 2), (left + width + 4, top), colour, cv2.FILLED)
        cv2.putText(
            image, text, (left + 2, top - base), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA
        )


def draw_track(image: NDArray[np.uint8], box: Box, state: TrackState, score: float, label: str = "") -> None:
    """Draw a tracked box in its state's colour, with label, state and score, into the image itself."""
    text = " ".join(
        part for part in (label, state.value if state is not TrackState.TRACKING else "", f"{score:.2f}") if part
    )
    draw_box(image, box, COLOURS[state], text)
