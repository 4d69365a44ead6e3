"""One video from its file to its labels: the task that processes share."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from siam_tracker_core.errors import BoxError, SiamTrackerError
from siam_tracker_core.evaluation.resolve import TrackerSpec
from siam_tracker_core.evaluation.runner import set_threads
from siam_tracker_core.geometry import check_target_box
from siam_tracker_core.labelling.both_ways import NOT_REACHED, Label, Pair, label_both_ways
from siam_tracker_core.labelling.footage import Footage, name_of, read_footage
from siam_tracker_core.labelling.motion import moving_regions
from siam_tracker_core.labelling.settings import LabelSettings
from siam_tracker_core.labelling.sheet import write_strip
from siam_tracker_core.labelling.starts import Start, best_first
from siam_tracker_core.labelling.writing import write_track

LEAST_FRAMES = 10

# IoU of a start with a track of before in its frame, from which both are the same target.
_SAME = 0.4


@dataclass(frozen=True)
class Task:
    """What one process is told.

    Attributes:
        video: a video file or a folder of images.
        starts: by whoever gives them; None to look for moving regions.
        there, back: trackers of the way there and the way back.
        settings: what counts as a label.
        out: folder of the labels.
    """

    video: Path
    starts: tuple[Start, ...] | None
    there: TrackerSpec
    back: TrackerSpec
    settings: LabelSettings
    out: Path


@dataclass(frozen=True)
class TrackReport:
    """What became of one start.

    Attributes:
        name: of the track's folder; empty if there is none.
        start: frame and origin of the start.
        kept: labelled frames.
        overlap: mean IoU of both directions in these, 0..1.
        why_not: how many frames of the video have no label, by the reason.
    """

    name: str
    start: str
    kept: int
    overlap: float
    why_not: dict[str, int]


@dataclass(frozen=True)
class VideoReport:
    """What became of one video.

    Attributes:
        name: of the video.
        frames: of the video; 0 if it could not be read.
        tracks: one for each start that was followed.
        notes: what else there is to say: why there is no track, which starts were passed over.
        failed: whether the video could not be read, so that another run tries it again.
    """

    name: str
    frames: int = 0
    tracks: list[TrackReport] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failed: bool = False

    @property
    def kept(self) -> int:
        """Labelled frames of all tracks."""
        return sum(track.kept for track in self.tracks)

    def to_json(self) -> dict[str, Any]:
        """For a file; ``from_json`` undoes it."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> VideoReport:
        """Raises TypeError, KeyError if the values are not those of a report."""
        return cls(**{**values, "tracks": [TrackReport(**track) for track in values["tracks"]]})


def label_video(task: Task) -> VideoReport:
    """Label one video.

    Raises:
        OSError: if the disk is full or the folder cannot be written.
        ConfigError, WeightsError: if a tracker cannot be made.
    """
    set_threads(1)
    name = name_of(task.video)
    pair = _trackers(task.there, task.back)
    scratch = task.out / ".frames" / name
    try:
        return _label(task, name, read_footage(task.video, scratch), pair)
    except SiamTrackerError as error:
        return VideoReport(name, notes=[str(error)], failed=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _label(task: Task, name: str, footage: Footage, pair: Pair) -> VideoReport:
    notes = [footage.note] if footage.note else []
    if len(footage) < LEAST_FRAMES:
        return VideoReport(name, len(footage), notes=[f"too short: {len(footage)} frames of at least {LEAST_FRAMES}"])
    starts = moving_regions(footage, task.settings.every) if task.starts is None else task.starts
    if not starts:
        return VideoReport(name, len(footage), notes=[*notes, _nothing(task)])
    tracks: list[dict[int, Label]] = []
    reports = []
    for start in best_first(list(starts)):
        if len(tracks) == task.settings.targets:
            notes.append(f"{task.settings.targets} targets are enough; other starts were passed over")
            break
        if problem := _problem(start, footage):
            notes.append(problem)
            continue
        if any(_is_followed(start, labels) for labels in tracks):
            continue
        labels = label_both_ways(footage, start, pair, task.settings)
        if any(_is_same(labels, earlier) for earlier in tracks):
            continue
        reports.append(_report(name, start, labels, len(footage), tracks, task.settings))
        if reports[-1].name:
            tracks.append(labels)
    _write(task.out, [report for report in reports if report.name], footage, tracks)
    return VideoReport(name, len(footage), reports, notes)


def _write(out: Path, reports: Sequence[TrackReport], footage: Footage, tracks: Sequence[Mapping[int, Label]]) -> None:
    for report, labels in zip(reports, tracks, strict=True):
        write_track(out / report.name, footage, labels)
        write_strip(out, report.name, footage, labels)


def _report(
    video: str,
    start: Start,
    labels: Mapping[int, Label],
    frames: int,
    tracks: Sequence[object],
    settings: LabelSettings,
) -> TrackReport:
    kept = [label for label in labels.values() if label.kept]
    why_not = Counter(label.reason for label in labels.values() if not label.kept)
    why_not[NOT_REACHED] += frames - len(labels)
    enough = len(kept) >= settings.shortest
    if not enough and kept:
        why_not[f"too few: {len(kept)} of at least {settings.shortest}"] = len(kept)
    return TrackReport(
        f"{video}.{len(tracks) + 1}" if enough else "",
        f"frame {start.frame}, {start.origin}",
        len(kept) if enough else 0,
        float(np.mean([label.overlap for label in kept])) if enough else 0.0,
        {reason: count for reason, count in why_not.items() if count},
    )


def _problem(start: Start, footage: Footage) -> str:
    """Why a start cannot be followed; empty if it can."""
    if start.frame >= len(footage):
        return f"a start box is for frame {start.frame}, but the video has {len(footage)} frames, counted from 0"
    height, width = footage.image(start.frame).shape[:2]
    try:
        check_target_box(start.box, width, height)
    except BoxError as error:
        return f"frame {start.frame}: {error}"
    return ""


def _is_followed(start: Start, labels: Mapping[int, Label]) -> bool:
    """Whether a track has the start's target already."""
    label = labels.get(start.frame)
    return label is not None and label.kept and label.box.iou(start.box) >= _SAME


def _is_same(labels: Mapping[int, Label], earlier: Mapping[int, Label]) -> bool:
    """Whether two tracks have one target: they overlap in the frames where both have a label."""
    overlaps = [
        label.box.iou(earlier[index].box)
        for index, label in labels.items()
        if label.kept and index in earlier and earlier[index].kept
    ]
    return bool(overlaps) and float(np.mean(overlaps)) >= _SAME


def _nothing(task: Task) -> str:
    return "nothing in it moves by itself for long enough" if task.starts is None else "no start box names it"


class _Process:
    """The trackers that this process loaded last."""

    specs: tuple[TrackerSpec, TrackerSpec] | None = None
    pair: Pair


def _trackers(there: TrackerSpec, back: TrackerSpec) -> Pair:
    if _Process.specs != (there, back):
        _Process.specs, _Process.pair = None, Pair(there.make(), back.make())
        _Process.specs = (there, back)
    return _Process.pair
