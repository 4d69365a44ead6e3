"""Videos as frames on the disk, which can be walked through in either direction."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets.images import IMAGE_SUFFIXES, list_images
from siam_tracker_core.datasets.types import read_image
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.sources import open_source

VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mkv", ".mov", ".m4v", ".webm", ".mpg", ".mpeg"})
QUALITY = 95  # of the JPEG files that a video becomes


@dataclass(frozen=True)
class Footage:
    """The frames of one video.

    Attributes:
        frames: image files in order.
        note: what a reader should know of them; mostly empty.
        own: whether the files were made here and may be moved.
    """

    frames: tuple[Path, ...]
    note: str = ""
    own: bool = False

    def __len__(self) -> int:
        return len(self.frames)

    def image(self, index: int) -> NDArray[np.uint8]:
        """Frame ``index`` as uint8 (H, W, 3) BGR."""
        return read_image(self.frames[index])

    def hand_out(self, index: int, target: Path) -> None:
        """Put frame ``index`` at a path: a second name for a file of our own, a copy of another's."""
        if self.own:
            try:
                target.hardlink_to(self.frames[index])
                return
            except OSError:  # file systems without hard links
                pass
        shutil.copyfile(self.frames[index], target)


def find_videos(source: Path) -> list[Path]:
    """The videos of a source: itself, or those right inside: video files and folders of images.

    Raises:
        DatasetError: if there is none, or two have one name.
    """
    if not source.exists():
        raise DatasetError(f"{source} does not exist; give a video, a folder of images, or a folder of these")
    if source.is_file() or _holds_images(source):
        return [source]
    found = sorted(
        path
        for path in source.iterdir()
        if path.suffix.lower() in VIDEO_SUFFIXES or (path.is_dir() and _holds_images(path))
    )
    if not found:
        raise DatasetError(
            f"{source} holds no video ({', '.join(sorted(VIDEO_SUFFIXES))}) and no folder of images; give a video, a "
            "folder of images, or a folder of these"
        )
    names = [name_of(path) for path in found]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise DatasetError(f"two videos in {source} are called {repeated}; labels are kept by name, so rename one")
    return found


def name_of(video: Path) -> str:
    """The name of a video's labels."""
    return video.name if video.is_dir() else video.stem


def read_footage(video: Path, scratch: Path) -> Footage:
    """The frames of a video; those of a video file are decoded into a folder, which is made.

    Raises:
        DatasetError: if it cannot be decoded.
        OSError: if the folder cannot be written.
    """
    if video.is_dir():
        inside = video / "img"
        return Footage(list_images(inside if inside.is_dir() else video))
    source = open_source(str(video))
    scratch.mkdir(parents=True, exist_ok=True)
    frames = []
    for number, frame in enumerate(source.frames, start=1):
        path = scratch / f"{number:06d}.jpg"
        _, data = cv2.imencode(".jpg", frame.image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        path.write_bytes(data.tobytes())
        frames.append(path)
    if not frames:
        raise DatasetError(f"{video} cannot be decoded: it gives no frame")
    short = source.count is not None and len(frames) < source.count
    note = f"only {len(frames)} of {source.count} frames could be decoded" if short else ""
    return Footage(tuple(frames), note, own=True)


def _holds_images(folder: Path) -> bool:
    inside = folder / "img"
    places: Sequence[Path] = (folder, inside) if inside.is_dir() else (folder,)
    return any(path.suffix.lower() in IMAGE_SUFFIXES for place in places for path in place.iterdir())
