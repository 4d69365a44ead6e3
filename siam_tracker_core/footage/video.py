"""A video file, or a stream, read frame by frame and counted against its container."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.files.kinds import impostor
from siam_tracker_core.footage.avi import avi_frames
from siam_tracker_core.footage.frames import NumberedFrame
from siam_tracker_core.footage.jpeg_frames import jpeg_frames
from siam_tracker_core.footage.numbering import FrameNumbers, ranges
from siam_tracker_core.pixels.files import Orientation

# Containers that count their frames; of others OpenCV estimates the number from the duration.
_COUNTED = frozenset({".avi", ".mp4", ".m4v", ".mov", ".3gp"})
_ESTIMATE_SLACK = 2
_MOST_FRAMES = 10_000_000  # four days at 30 Hz; a container that tells of more is damaged
_TIMEOUT_MS = 15_000
USUAL_RATE = 30.0


@dataclass(frozen=True)
class Opened:
    """What a container says of itself.

    Attributes:
        capture: at the first frame.
        count: how many frames there should be; None where nobody knows, as of a camera.
        rate: frames a second; 0 where the container does not say.
    """

    capture: cv2.VideoCapture
    count: int | None
    rate: float


def open_video(source: str | int, name: str, orientation: Orientation = "exif", backend: int = cv2.CAP_ANY) -> Opened:
    """Open a video file, stream or camera.

    Args:
        source: a path, an address, or a camera's number.
        name: for messages.
        orientation: ``exif`` turns pictures as the container says, ``stored`` leaves them as they lie.
        backend: OpenCV's.

    Raises:
        DatasetError: if it cannot be opened.
    """
    parameters = []
    if backend == cv2.CAP_FFMPEG:
        parameters = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _TIMEOUT_MS]
    capture = cv2.VideoCapture(source, backend, parameters) if parameters else cv2.VideoCapture(source, backend)
    if not capture.isOpened():
        what = impostor(Path(source)) if isinstance(source, str) and Path(source).is_file() else ""
        why = what or "cannot be opened as a video; it is damaged, or of a format that is not known here"
        raise DatasetError(f"{name} {why}")
    if orientation == "stored":
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
    count, rate = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), float(capture.get(cv2.CAP_PROP_FPS))
    return Opened(capture, count if 0 < count < _MOST_FRAMES else None, rate if 0 < rate < 1000 else 0.0)


class VideoFile:
    """The frames of a video file, numbered as in the container, and what is missing of them.

    Args:
        path: the file.
        orientation: as of ``open_video``.

    Attributes:
        path: the file.
        count: how many frames the container says it has; None where it does not.
        rate: frames a second; 0 where the container does not say.

    Raises:
        DatasetError: if it cannot be opened.
    """

    def __init__(self, path: Path, orientation: Orientation = "exif") -> None:
        if not path.is_file():
            raise DatasetError(f"{path} does not exist; expected a video file")
        self.path = path
        self._orientation = orientation
        self._opened = self._open()
        self._chunks = avi_frames(path)
        counted = None if self._chunks is None else self._chunks.count
        self.count, self.rate = counted or self._opened.count, self._opened.rate
        self._seen: set[int] = set()
        self._damaged: set[int] = set()
        self._ended = False

    def frames(self) -> Iterator[NumberedFrame]:
        """The frames that can be read, in order, with their numbers; once."""
        chunks = self._chunks
        if chunks is not None and chunks.jpeg and not chunks.plain:
            frames = jpeg_frames(self.path, chunks)  # FFmpeg's reader ends at the first frame that it cannot decode
        else:
            frames = self._decoded(None if chunks is None or chunks.plain else chunks.numbers)
        self._damaged = set() if chunks is None else set(chunks.damaged)
        try:
            for frame in frames:
                self._seen.add(frame.number)
                yield frame
            self._ended = True
        finally:
            self._opened.capture.release()

    def _decoded(self, found: Sequence[int] | None) -> Iterator[NumberedFrame]:
        """What OpenCV reads."""
        capture = self._opened.capture
        numbers = FrameNumbers(self.rate or USUAL_RATE, self.count, found, self._decodable)
        while True:
            there, image = capture.read()
            if not there:
                return
            number = numbers.next(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
            yield NumberedFrame(number, np.asarray(image, dtype=np.uint8))

    def missing(self) -> list[int]:
        """The numbers of the frames that should have come by now and did not."""
        if self.count is None or not (self._seen or self._ended):
            return []
        end = self.count if self._ended else max(self._seen)
        gone = [number for number in range(end) if number not in self._seen]
        estimated = self.path.suffix.lower() not in _COUNTED
        last = max(self._seen, default=-1)
        if estimated and self._ended and len(gone) <= _ESTIMATE_SLACK and all(number > last for number in gone):
            return []
        return gone

    def complaint(self) -> str:
        """A sentence about frames that are missing or damaged: how many, and where; empty if all came whole."""
        found = [("missing", self.missing()), ("damaged", sorted(self._seen & self._damaged))]
        parts = [f"{len(some)} {what} ({ranges(some)})" for what, some in found if some]
        if not parts:
            return ""
        counted = "counted from 0"
        if self._chunks is not None and not self._chunks.certain:
            counted += "; the index at the file's end is gone too, so where the missing ones were is not certain"
        return f"{self.path}: of {self.count} frames, {' and '.join(parts)}, {counted}"

    def _open(self) -> Opened:
        return open_video(os.fspath(self.path), str(self.path), self._orientation, cv2.CAP_FFMPEG)

    def _decodable(self) -> int:
        capture = self._open().capture
        count = 0
        while capture.grab():
            count += 1
        capture.release()
        return count
