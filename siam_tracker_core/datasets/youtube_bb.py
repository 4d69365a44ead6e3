"""Reader for YouTube-BoundingBoxes: one box a second, in videos that everybody downloads for themselves.

Layout: the published annotations (research.google.com/youtube-bb/download.html), plain or still compressed, beside the
frames as one of the two common tools leaves them::

    yt_bb_detection_train.csv or .csv.gz            also as youtube_boundingboxes_detection_train.csv
    yt_bb_detection_train/0/AAB6lO-XiKE_238000_0_0.jpg
        class/youtube_id, timestamp_ms, class_id, object_id: youtube-bb-utility (download_detection.py), which the
        preparation of PySOT and DaSiamRPN builds on (STVIR/pysot:training_dataset/yt_bb/par_crop.py)
    youtubebbdevkit/youtubebb2017/JPEGImages/AAB6lO-XiKE+0+0+238000.jpg
        mbuckler/youtube-bb:voc_convert.py; the same for train and validation

Frames at 30 Hz, as mbuckler's decode.py writes them, are of no use: its clips begin at some key frame before the first
annotation, so that no frame's time is known.

A line of the CSV, which has no header: ``youtube_id, timestamp_ms, class_id, class_name, object_id, object_presence,
xmin, xmax, ymin, ymax``; corners are shares of the image's size in 0..1, and -1 with ``absent``. The identifier of a
track is youtube_id, class_id and object_id together. Lines of different tracks may be mixed.
"""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from siam_tracker_core.datasets.images import read_image
from siam_tracker_core.datasets.inside import inside_image
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import DatasetError

RATE = 1.0
COLUMNS = 10
_BAR_EVERY = 10_000
_ABSENT = (math.nan,) * 4
_LATEST = 2**31 - 1  # milliseconds: no video lasts 24 days

Track = tuple[str, str, str]  # youtube_id, class_id, object_id


@dataclass
class _Table:
    """The annotations in columns: 24 bytes a line, so that the 5.6 million of the whole data set fit anywhere."""

    tracks: dict[Track, int] = field(default_factory=dict)
    numbers: array[int] = field(default_factory=lambda: array("i"))
    times: array[int] = field(default_factory=lambda: array("i"))
    corners: array[float] = field(default_factory=lambda: array("f"))  # xmin, xmax, ymin, ymax; NaN where absent

    def add(self, track: Track, time: int, corners: tuple[float, ...]) -> None:
        """Add one line."""
        self.numbers.append(self.tracks.setdefault(track, len(self.tracks)))
        self.times.append(time)
        self.corners.extend(corners)

    def in_order(self, skipped: Skipped) -> Iterator[tuple[Track, NDArray[np.int32], NDArray[np.float64]]]:
        """Each track with its times in milliseconds and its corners (n, 4), sorted by video, then by time."""
        numbers, times = np.array(self.numbers, dtype=np.int32), np.array(self.times, dtype=np.int32)
        corners = np.array(self.corners, dtype=np.float32).reshape(-1, 4)
        order = np.lexsort((times, numbers))
        ends = np.searchsorted(numbers[order], np.arange(len(self.tracks)), side="right")
        for track, number in sorted(self.tracks.items()):
            lines = order[ends[number - 1] if number else 0 : ends[number]]
            repeated = np.diff(times[lines], prepend=-1) == 0
            for time in times[lines[repeated]]:
                skipped.add("second line of one frame", f"{'/'.join(track)} at {time} ms")
            lines = lines[~repeated]
            yield track, times[lines], corners[lines].astype(np.float64)


def iterate(root: Path, split: str, skipped: Skipped) -> Iterator[Sequence]:
    """The tracks of one split of which at least one frame with a box was downloaded, video by video.

    A track's name is ``youtube_id/class_id+object_id``; its frames are a second apart, except where one is missing: the
    tools leave out frames that could not be read, and some of them all in which the object is absent.

    The annotations are read whole, since their lines are in no promised order; of the images one a video is opened,
    for its size.

    Args:
        root: holds the annotations and the frames.
        split: ``train`` or ``validation``.
        skipped: collects malformed lines, tracks and frames that were not downloaded, and boxes outside their image.

    Raises:
        DatasetError: if annotations or frames are missing.
    """
    annotations = _annotations(root, split)
    layout = _Layout.found(root, split)
    video, size = "", None
    for track, times, corners in _read(annotations, skipped).in_order(skipped):
        frames, corners = _downloaded(layout, track, times, corners, skipped)
        if not frames:
            continue
        # Tracks of one video come one after the other, so that its size is looked up once.
        if track[0] != video or size is None:
            video, size = track[0], _image_size(frames)
        if size is None:
            skipped.add("track without a readable frame", "/".join(track))
            continue
        sequence = _sequence(track, frames, corners, size, skipped)
        if sequence is not None:
            yield sequence


def _annotations(root: Path, split: str) -> Path:
    stems = (f"yt_bb_detection_{split}", f"youtube_boundingboxes_detection_{split}")
    candidates = [root / f"{stem}{ending}" for stem in stems for ending in (".csv", ".csv.gz")]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise DatasetError(f"{candidates[0]} does not exist; expected the annotations of YouTube-BB there, or with .gz")


@dataclass(frozen=True)
class _Layout:
    """Where the frames lie, by a pattern over youtube_id, timestamp, class and object."""

    folder: Path
    pattern: str

    @classmethod
    def found(cls, root: Path, split: str) -> _Layout:
        """The layout that ``root`` has.

        Raises:
            DatasetError: if it has none.
        """
        known = (
            cls(root / f"yt_bb_detection_{split}", "{label}/{video}_{time}_{label}_{thing}.jpg"),
            cls(root / "youtubebbdevkit" / "youtubebb2017" / "JPEGImages", "{video}+{label}+{thing}+{time}.jpg"),
        )
        for layout in known:
            if layout.folder.is_dir():
                return layout
        wanted = " or ".join(str(layout.folder / layout.pattern) for layout in known)
        raise DatasetError(f"{root} holds no frames of YouTube-BB's {split}; expected {wanted}")

    def frame(self, track: Track, time: int) -> Path:
        """The image of a track at a time in milliseconds."""
        video, label, thing = track
        return self.folder / self.pattern.format(video=video, label=label, thing=thing, time=time)


def _read(path: Path, skipped: Skipped) -> _Table:
    table = _Table()
    with (
        path.open("rb") as raw,
        tqdm(total=path.stat().st_size, unit="B", unit_scale=True, delay=2, disable=None) as bar,
    ):
        bar.set_description(f"reading {path.name}")
        file = TextIOWrapper(
            gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw, encoding="utf-8", errors="replace", newline=""
        )
        try:
            for number, line in enumerate(csv.reader(file, quoting=csv.QUOTE_NONE), start=1):
                values = _values(line)
                if values is None:
                    skipped.add("malformed line", f"{path}, line {number}")
                else:
                    table.add(*values)
                if number % _BAR_EVERY == 0:
                    bar.update(raw.tell() - bar.n)
        except (OSError, EOFError, zlib.error, csv.Error) as error:
            raise DatasetError(f"{path} is not readable as CSV: {error}; download it again") from error
    return table


def _values(line: list[str]) -> tuple[Track, int, tuple[float, ...]] | None:
    """Track, time and corners of one line; None if it is malformed."""
    if len(line) != COLUMNS or not line[0] or line[5] not in ("present", "absent"):
        return None
    video, time, label, _, thing, presence = line[:6]
    try:
        track, milliseconds = (video, str(int(label)), str(int(thing))), int(time)
        corners = tuple(map(float, line[6:])) if presence == "present" else _ABSENT
    except ValueError:
        return None
    if not 0 <= milliseconds <= _LATEST:
        return None
    left, right, top, bottom = corners
    # A little beyond the image is clipped later; anything further is no share of its size.
    if presence == "present" and not (-1 < left < right < 2 and -1 < top < bottom < 2):
        return None
    return track, milliseconds, corners


def _downloaded(
    layout: _Layout, track: Track, times: NDArray[np.int32], corners: NDArray[np.float64], skipped: Skipped
) -> tuple[tuple[Path, ...], NDArray[np.float64]]:
    """The frames of a track that are there, and their corners; none if all of them lack a box."""
    frames = [layout.frame(track, int(time)) for time in times]
    there = np.array([frame.is_file() for frame in frames])
    boxed = ~np.isnan(corners[:, 0])
    if not (there & boxed).any():
        reason = "track of which no frame with a box was downloaded" if boxed.any() else "track without a box"
        skipped.add(reason, "/".join(track))
        return (), corners[:0]
    for missing in np.flatnonzero(boxed & ~there):
        skipped.add("frame that was not downloaded", frames[missing])
    return tuple(frames[index] for index in np.flatnonzero(there)), corners[there]


def _image_size(frames: Iterable[Path]) -> tuple[int, int] | None:
    """Width and height of the first frame that can be read."""
    for frame in frames:
        try:
            height, width = read_image(frame).shape[:2]
        except DatasetError:
            continue
        return width, height
    return None


def _sequence(
    track: Track, frames: tuple[Path, ...], corners: NDArray[np.float64], size: tuple[int, int], skipped: Skipped
) -> Sequence | None:
    """The track of frames with relative corners ``xmin, xmax, ymin, ymax``; None if no box lies in its image."""
    name = f"{track[0]}/{track[1]}+{track[2]}"
    low = corners[:, [0, 2]] * size
    high = corners[:, [1, 3]] * size
    boxes = inside_image(np.concatenate([low, high - low], axis=1), *size)
    lost = np.isnan(boxes[:, 0]) & ~np.isnan(corners[:, 0])
    for frame in np.flatnonzero(lost):
        skipped.add("box outside its image", frames[frame])
    if np.isnan(boxes[:, 0]).all():
        return None
    return Sequence(name, frames, boxes, RATE)
