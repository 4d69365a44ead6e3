"""Where frames come from when no ROS is at hand: videos, folders, patterns, cameras, streams, standard input."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2

from siam_tracker_core.datasets.images import IMAGE_SUFFIXES, list_images, read_image
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.files import naturally
from siam_tracker_core.footage.cameras import open_camera
from siam_tracker_core.footage.numbering import ranges
from siam_tracker_core.footage.video import USUAL_RATE, NumberedFrame, Opened, VideoFile, open_video
from siam_tracker_core.pixels.contrast import DEFAULT, Contrast, Stretch
from siam_tracker_core.pixels.files import Orientation

_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")
_LOGIN = re.compile(r"(?<=://)[^/@]*@")
_PATTERN = re.compile(r"%0?(\d*)d")
STANDARD_INPUT = "-"


@dataclass(frozen=True)
class FrameSource:
    """Frames in order.

    Attributes:
        name: for people.
        frames: each read when it is asked for.
        count: how many, or None where nobody knows.
        rate: frames per second.
        complaint: a sentence about the frames that should have come by now and could not be read, or the empty text.
        files: what is read, so that no output goes over it; empty for cameras and streams.
    """

    name: str
    frames: Iterator[NumberedFrame]
    count: int | None
    rate: float
    complaint: Callable[[], str] = lambda: ""
    files: tuple[Path, ...] = ()


def open_source(source: str, orientation: Orientation = "exif", contrast: Contrast = DEFAULT) -> FrameSource:
    """Open whatever frames come from.

    Args:
        source: a video file; a folder of images, also one with ``img/`` in it; a pattern of image files such as
            ``img/%04d.png`` or ``img/*.png``; ``/dev/video0`` or a camera's number; an address (rtsp, http, ...); or
            ``-`` for a video on standard input. What exists as a folder or file is that, whatever it is called.
        orientation: ``exif`` turns pictures as they say, ``stored`` leaves them as they lie.
        contrast: of images with more than eight bits.

    Raises:
        DatasetError: if there is no such source.
    """
    path = Path(source)
    if source == STANDARD_INPUT:
        return _stream("pipe:0", "standard input", orientation)
    if _ADDRESS.match(source):
        return _stream(source, _LOGIN.sub("", source), orientation)
    if path.is_dir():
        images = list_images(path / "img" if (path / "img").is_dir() else path)
        return _image_files(_title(path), images, orientation, contrast)
    if path.is_file():
        return _video(path, orientation)
    if source.isdigit():
        return _live(open_camera(source), f"camera {source}")
    if source.startswith("/dev/"):
        return _live(open_camera(source), source)
    if _PATTERN.search(path.name) or "*" in path.name:
        return _image_files(source, _matching(path), orientation, contrast)
    raise DatasetError(
        f"{source} is neither a video file, nor a folder or pattern (%04d) of images, nor a camera (a number or "
        "/dev/video0), nor an address such as rtsp://"
    )


def _title(folder: Path) -> str:
    """A sequence is called as its folder, and not as the one in it that every sequence has."""
    whole = folder.resolve()
    return whole.parent.name if whole.name == "img" else whole.name


def _video(path: Path, orientation: Orientation) -> FrameSource:
    if path.suffix.lower() in IMAGE_SUFFIXES:
        raise DatasetError(f"{path} is a single image; give its folder, or a pattern such as {path.parent}/%04d.jpg")
    video = VideoFile(path, orientation)
    return FrameSource(path.name, video.frames(), video.count, video.rate or USUAL_RATE, video.complaint, (path,))


def _stream(address: str, name: str, orientation: Orientation) -> FrameSource:
    try:
        return _live(open_video(address, name, orientation, cv2.CAP_FFMPEG), name)
    except DatasetError:
        raise DatasetError(
            f"{name} cannot be opened as a video stream; is the address right, and does somebody send there?"
        ) from None


def _live(opened: Opened, name: str) -> FrameSource:
    return FrameSource(name, _counted(opened.capture), opened.count, opened.rate or USUAL_RATE)


def _counted(capture: cv2.VideoCapture) -> Iterator[NumberedFrame]:
    number = 0
    try:
        while True:
            there, image = capture.read()
            if not there:
                return
            yield NumberedFrame(number, image)  # type: ignore[arg-type]
            number += 1
    finally:
        capture.release()


def _image_files(name: str, images: tuple[Path, ...], orientation: Orientation, contrast: Contrast) -> FrameSource:
    unreadable: dict[int, str] = {}

    def frames() -> Iterator[NumberedFrame]:
        stretch = Stretch(contrast)
        for number, image in enumerate(images):
            try:
                yield NumberedFrame(number, read_image(image, orientation, stretch=stretch))
            except DatasetError as error:
                unreadable[number] = str(error)

    def complaint() -> str:
        if not unreadable:
            return ""
        what = "frame cannot be read" if len(unreadable) == 1 else "frames cannot be read"
        return (
            f"{len(unreadable)} of {len(images)} {what}: {ranges(list(unreadable))} (counted from 0); "
            f"{next(iter(unreadable.values()))}"
        )

    return FrameSource(name, frames(), len(images), USUAL_RATE, complaint, images)


def _matching(path: Path) -> tuple[Path, ...]:
    """The image files of a pattern, in the order of their numbers."""
    if not path.parent.is_dir():
        raise DatasetError(f"{path.parent} is not a folder; expected the images of {path.name} in it")
    if "*" in path.name:
        found = naturally(path.parent.glob(path.name))
    else:
        before, width, after = _PATTERN.split(path.name, maxsplit=1)
        shape = re.compile(f"{re.escape(before)}(\\d{{{width or 1},}}){re.escape(after)}")
        found = naturally(file for file in path.parent.iterdir() if shape.fullmatch(file.name))
    if not found:
        raise DatasetError(f"no file matches {path}; expected images such as {path.parent}/0001.png for %04d.png")
    return tuple(found)
