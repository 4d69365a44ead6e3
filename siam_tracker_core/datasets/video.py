"""Reader for a video file with a file of boxes beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets.otb_form import GROUND_TRUTH, read_rectangles
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.footage.video import VideoFile


@dataclass(frozen=True, eq=False)
class Video:
    """A video with the boxes of one target.

    Attributes:
        path: the video file.
        boxes: float64 (N, 4), ``x, y, width, height`` in zero-based pixels, one row a frame; NaN where it is absent.
        rate: frames per second.
    """

    path: Path
    boxes: NDArray[np.float64]
    rate: float

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    def __len__(self) -> int:
        return len(self.boxes)

    def images(self) -> Iterator[NDArray[np.uint8]]:
        """The frames in order, uint8 (H, W, 3) BGR.

        Raises:
            DatasetError: at the end, if the video has not as many frames as there are boxes; only reading it tells.
        """
        video = VideoFile(self.path)
        count = 0
        for frame in video.frames():
            if frame.number != count:
                break
            count += 1
            yield frame.image
        if sentence := video.complaint():
            raise DatasetError(f"{sentence}; the boxes belong to all frames, so give a whole copy of the video")
        if count != len(self.boxes):
            raise DatasetError(
                f"{self.path} has {count} frames but there are {len(self.boxes)} boxes; there must be one a frame"
            )


def read_video(path: str | Path, boxes: str | Path = "", rate: float | None = None) -> Video:
    """Open a video with its boxes.

    Args:
        path: the video file, of any format that OpenCV reads.
        boxes: file of one-based ``x,y,width,height`` lines, one a frame; by default the video's name with .txt, or
            groundtruth_rect.txt beside it.
        rate: frames per second; by default the video's own.

    Raises:
        DatasetError: if a file is missing or malformed.
    """
    path = Path(path)
    own_rate = VideoFile(path).rate
    if rate is None and not own_rate > 0:
        raise DatasetError(f"{path} does not say how many frames a second it has; give a rate")
    return Video(path, read_rectangles(_boxes_file(path, boxes)), own_rate if rate is None else rate)


def _boxes_file(path: Path, boxes: str | Path) -> Path:
    if boxes:
        return Path(boxes)
    candidates = (path.with_suffix(".txt"), path.with_name(GROUND_TRUTH))
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise DatasetError(f"{path} has no boxes: neither {candidates[0]} nor {candidates[1]} exists; name a file")
