"""The frames of a damaged Motion JPEG file, each decoded for itself, so that one of them does not end the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from siam_tracker_core.footage.avi import AviFrames
from siam_tracker_core.footage.frames import NumberedFrame
from siam_tracker_core.pixels.files import decoded

_END = b"\xff\xd9"  # OpenCV takes no picture without an end mark


def jpeg_frames(path: Path, frames: AviFrames) -> Iterator[NumberedFrame]:
    """Decode the frames that can be, in order, with their numbers."""
    with path.open("rb") as file:
        for number, chunk in zip(frames.numbers, frames.found, strict=True):
            file.seek(chunk.place + 8)
            code = np.frombuffer(file.read(chunk.size) + _END, np.uint8)
            image = decoded(code) if chunk.size else None
            if image is not None:
                yield NumberedFrame(number, np.asarray(image, dtype=np.uint8))
