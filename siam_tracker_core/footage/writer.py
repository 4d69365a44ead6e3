"""Videos written beside their place, checked, and moved there whole."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.errors import OutputError
from siam_tracker_core.files.writing import cannot_write, check_writable, partial_of

_CODECS = {".avi": "MJPG"}
_USUAL_CODEC = "mp4v"


class VideoOutput:
    """A video that appears under its name when its ``with`` block ends, if it is whole. It has the first frame's size.

    Args:
        path: ends in ``.mp4`` or ``.avi``; other endings go as far as OpenCV knows them.
        rate: frames per second.

    Raises:
        OutputError: if nothing can be written there.
    """

    def __init__(self, path: Path, rate: float) -> None:
        check_writable(path)
        self.path, self._rate = path, rate
        self._partial = partial_of(path.resolve())
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._count = 0

    def __enter__(self) -> VideoOutput:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None or issubclass(kind, KeyboardInterrupt):
                self.close()
        finally:
            self.discard()

    def add(self, image: NDArray[np.uint8]) -> None:
        """Append a frame, uint8 (H, W, 3) BGR; one of another size is resized.

        Raises:
            OutputError: if there is no video of that ending, or the disk is full.
        """
        if self._writer is None:
            self._size = (image.shape[1], image.shape[0])
            codec = _CODECS.get(self.path.suffix.lower(), _USUAL_CODEC)
            self._writer = cv2.VideoWriter(
                os.fspath(self._partial), cv2.VideoWriter.fourcc(*codec), self._rate, self._size
            )
            if not self._writer.isOpened():
                if self.path.suffix.lower() in (".mp4", ".avi"):
                    raise OutputError(f"{self.path} cannot be written as a video; is there room on its disk?")
                raise OutputError(
                    f"{self.path} cannot be written: OpenCV writes no video that ends in "
                    f"{self.path.suffix or 'nothing'}; use .mp4 or .avi"
                )
        if (image.shape[1], image.shape[0]) != self._size:
            image = np.asarray(cv2.resize(image, self._size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        self._writer.write(image)
        self._count += 1

    def close(self) -> None:
        """Finish the file, see that it can be played to the end, and move it to its place.

        Raises:
            OutputError: if it cannot, as on a full disk.
        """
        if self._writer is None or not self._count:
            return
        self._writer.release()
        self._writer = None
        found = _frames_in(self._partial)
        if found < self._count:
            raise OutputError(
                f"{self.path} could not be written whole: {found} of {self._count} frames can be read from it; "
                "make room, or give a place on another disk"
            )
        try:
            self._partial.replace(self.path.resolve())
        except OSError as problem:
            raise cannot_write(self.path, problem) from None

    def discard(self) -> None:
        """Remove what is not finished."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None
        self._partial.unlink(missing_ok=True)


def _frames_in(path: Path) -> int:
    """How many frames a finished video has, if its last one is there."""
    capture = cv2.VideoCapture(os.fspath(path), cv2.CAP_FFMPEG)
    try:
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        if count > 0:
            capture.set(cv2.CAP_PROP_POS_FRAMES, count - 1)
        return count if count > 0 and capture.grab() else 0
    finally:
        capture.release()
