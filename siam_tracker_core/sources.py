"""Where frames come from when no ROS is at hand: a video file, a folder of images, or a camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets.images import list_images, read_image
from siam_tracker_core.errors import DatasetError


@dataclass(frozen=True)
class FrameSource:
    """Frames in order.

    Attributes:
        name: for people.
        frames: uint8 (H, W, 3) BGR, each read when it is asked for.
        count: how many, or None where nobody knows.
        rate: frames per second.
    """

    name: str
    frames: Iterator[NDArray[np.uint8]]
    count: int | None
    rate: float


def open_source(source: str) -> FrameSource:
    """Open a video file, a folder of images (also one with ``img/`` in it), or a camera by its number.

    Raises:
        DatasetError: if there is no such source or it yields no frame.
    """
    if source.isdigit():
        return _capture(int(source), f"camera {source}", live=True)
    path = Path(source)
    if path.is_dir():
        images = list_images(path / "img" if (path / "img").is_dir() else path)
        return FrameSource(path.name, (read_image(image) for image in images), len(images), 30.0)
    if not path.is_file():
        raise DatasetError(f"{source} is neither a video file, nor a folder of images, nor a camera number")
    return _capture(str(path), path.name, live=False)


def _capture(source: int | str, name: str, live: bool) -> FrameSource:
    capture = cv2.VideoCapture(source)
    if not capture.isOpened():
        raise DatasetError(f"{name} cannot be opened as a video")
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    rate = capture.get(cv2.CAP_PROP_FPS)
    known = None if live or count <= 0 else count
    return FrameSource(name, _read_all(capture), known, rate if 0 < rate < 1000 else 30.0)


def _read_all(capture: cv2.VideoCapture) -> Iterator[NDArray[np.uint8]]:
    try:
        while True:
            there, frame = capture.read()
            if not there:
                return
            yield frame  # type: ignore[misc]
    finally:
        capture.release()
