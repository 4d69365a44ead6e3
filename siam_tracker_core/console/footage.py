"""Footage that can be played again: whatever ``siam-tracker track`` opens, and bags."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from siam_tracker_core.console.picture import BgrImage
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.footage import NumberedFrame
from siam_tracker_core.sources import FrameSource, open_source


def open_footage(source: str) -> FrameSource:
    """Open a video file, a folder of images, a bag (folder, .mcap or .db3 file), or a camera by its number.

    Raises:
        SiamTrackerError: if there is no such source or it yields no frame.
    """
    path = Path(source)
    if path.suffix in (".mcap", ".db3") or (path / "metadata.yaml").is_file():
        return _bag(path)
    return open_source(source)


def is_camera(source: str) -> bool:
    """Whether a source cannot be held or played again: a number that is no folder, an address, or a device."""
    return (source.isdigit() and not Path(source).exists()) or "://" in source or source.startswith("/dev/")


def _bag(path: Path) -> FrameSource:
    from siam_tracker_core.bags import BagReader  # rosbags takes a moment to import

    reader = BagReader(path)
    stamps = reader.stamps
    seconds = (int(stamps[-1]) - int(stamps[0])) / 1e9
    rate = (len(stamps) - 1) / seconds if seconds > 0 else 30.0

    def frames() -> Iterator[NumberedFrame]:
        with closing(reader):
            for number, frame in enumerate(reader.frames()):
                yield NumberedFrame(number, frame.image())

    return FrameSource(path.name, frames(), len(stamps), rate)


def first_frame(footage: FrameSource) -> BgrImage:
    """The next frame of footage that must have one.

    Raises:
        DatasetError: if it has none.
    """
    frame = next(footage.frames, None)
    if frame is None:
        raise DatasetError(f"{footage.name} has no frame that can be read")
    return frame.image


def images_of(footage: FrameSource) -> Iterator[BgrImage]:
    """The pictures alone; closing the iterator closes the footage."""
    try:
        for frame in footage.frames:
            yield frame.image
    finally:
        close = getattr(footage.frames, "close", None)
        if close is not None:
            close()
