"""A prepared data set made small: fewer frames of each track, fewer photographs, and videos in place of JPEG files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np

from siam_tracker_core.training.data.prepared_set import PreparedSet
from siam_tracker_core.training.data.shards import TrackCrops, read_shard
from siam_tracker_core.training.data.track_videos import Encoding, encoded_share, write_videos

# A track is kept with at least so many frames, or not at all.
LEAST_FRAMES = 4

_MEASURED = 12  # samples of a shard by which the gain of videos is estimated
_STEPS = 3  # by which the share of frames is found
_SAID_PER_FRAME = 60.0  # bytes that tell what a frame shows


@dataclass(frozen=True)
class Thinning:
    """How much of a data set is kept.

    Attributes:
        samples: share of the samples, 0..1.
        frames: share of each sample's frames, 0..1.
        encoding: of the videos.
    """

    samples: float
    frames: float
    encoding: Encoding = field(default_factory=Encoding)


def thinning_to(prepared: PreparedSet, size: float, encoding: Encoding) -> Thinning:
    """How a data set gets to a size, as far as can be told before; tracks stay as many as ``LEAST_FRAMES`` allows.

    Videos of fewer frames are larger by the frame, so the share that is kept is found step by step.

    Args:
        prepared: the data set.
        size: in bytes.
        encoding: of the videos.
    """
    samples = sum(len(shard) for shard in prepared.shards)
    how = Thinning(1.0, 1.0, encoding)
    if prepared.info.kind != "video":
        return replace(how, samples=min(1.0, size / video_size(prepared, how)))
    for _ in range(_STEPS):
        share = min(1.0, size / video_size(prepared, how))
        kept = min(1.0, share * prepared.frames / (samples * LEAST_FRAMES))
        how = Thinning(kept, share / kept, encoding)
    return how


@cache  # encoding takes seconds, and each try to fit a pack begins with the same question
def video_size(prepared: PreparedSet, how: Thinning) -> float:
    """Bytes that a data set would take as videos, were each frame as dear as those of some samples that are thinned."""
    spread = [
        (shard, np.unique(np.linspace(0, len(shard) - 1, _MEASURED).astype(int)).tolist())
        for shard in prepared.shards[:: max(1, len(prepared.shards) // 3)]
    ]
    samples = [
        _fewer_frames(sample, how)
        for shard, places in spread
        for sample in read_shard(prepared.info, shard.file, places)
    ]
    share = encoded_share(samples, prepared.info, how.encoding)
    return prepared.size * share + _SAID_PER_FRAME * prepared.frames


def write_thinned(prepared: PreparedSet, how: Thinning, folder: Path, jobs: int = 1) -> tuple[int, int]:
    """Write what is kept of a data set as videos.

    Returns:
        How many tracks and frames that are.

    Raises:
        DatasetError: if the data set cannot be read, or nothing of it is kept.
        OSError: if the folder cannot be written.
    """
    return write_videos(prepared.info, _thinned(prepared, how), folder, how.encoding, jobs)


def _thinned(prepared: PreparedSet, how: Thinning) -> Iterator[TrackCrops]:
    due = 0.0
    for shard in prepared.shards:
        wanted = []
        for place in range(len(shard)):
            due += how.samples
            if due >= 1 - 1e-9:  # evenly spread over the data set
                due -= 1
                wanted.append(place)
        if wanted:
            for sample in read_shard(prepared.info, shard.file, wanted):
                yield _fewer_frames(sample, how)


def _fewer_frames(sample: TrackCrops, how: Thinning) -> TrackCrops:
    count = min(len(sample), max(min(LEAST_FRAMES, len(sample)), round(len(sample) * how.frames)))
    places = np.unique(np.linspace(0, len(sample) - 1, count).round().astype(int))
    return replace(
        sample,
        frames=sample.frames[places],
        sizes=sample.sizes[places],
        visibility=sample.visibility[places],
        images=tuple(sample.images[place] for place in places),
    )
