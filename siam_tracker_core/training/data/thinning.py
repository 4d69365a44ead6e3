"""A prepared data set made small: fewer frames of each track, fewer photographs, JPEG files of a lower quality."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.pixels.files import decoded
from siam_tracker_core.training.data.prepared_set import PreparedSet, open_prepared, write_index
from siam_tracker_core.training.data.shards import TrackCrops, read_shard, write_shard

# A track is kept with at least so many frames, or not at all.
LEAST_FRAMES = 4

_MEASURED = 40  # images by which the gain of the lower quality is estimated


@dataclass(frozen=True)
class Thinning:
    """How much of a data set is kept.

    Attributes:
        samples: share of the samples, 0..1.
        frames: share of each sample's frames, 0..1.
        quality: of the JPEG files, 1 to 100.
    """

    samples: float
    frames: float
    quality: int


def thinning_to(prepared: PreparedSet, size: float, quality: int) -> Thinning:
    """How a data set gets to a size, as far as can be told before; tracks stay as many as ``LEAST_FRAMES`` allows.

    Args:
        prepared: the data set.
        size: in bytes.
        quality: of the JPEG files.
    """
    share = min(1.0, size / (prepared.size * _gain(prepared, quality)))
    samples = sum(len(shard) for shard in prepared.shards)
    if prepared.info.kind != "video":
        return Thinning(share, 1.0, quality)
    kept = min(1.0, share * prepared.frames / (samples * LEAST_FRAMES))
    return Thinning(kept, share / kept, quality)


def write_thinned(prepared: PreparedSet, how: Thinning, folder: Path) -> PreparedSet:
    """Write what is kept of a data set as one shard with its index.

    Raises:
        DatasetError: if the data set cannot be read, or nothing of it is kept.
        OSError: if the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    info = replace(prepared.info, location=str(folder))
    shard = write_shard(folder / "000000.tar", info, _thinned(prepared, how))
    if shard is None:
        raise DatasetError(f"nothing of {prepared.info.location} is left at that size; allow more megabytes")
    write_index(folder, PreparedSet(info, (shard,)), {"thinned": vars(how)})
    return open_prepared(folder)


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
        images=tuple(_smaller(sample.images[place], how.quality) for place in places),
    )


def _smaller(image: bytes, quality: int) -> bytes:
    """The JPEG file at a lower quality, or as it is where that gains nothing or it cannot be read."""
    pixels = decoded(np.frombuffer(image, np.uint8))
    if pixels is None:
        return image
    data: bytes = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    return data if len(data) < len(image) else image


def _gain(prepared: PreparedSet, quality: int) -> float:
    """Size of images at the lower quality as a share of theirs, over the first few."""
    before = after = count = 0
    for shard in prepared.shards:
        for sample in read_shard(prepared.info, shard.file, range(len(shard))):
            image = sample.images[len(sample) // 2]
            before, after, count = before + len(image), after + len(_smaller(image, quality)), count + 1
            if count == _MEASURED:
                return after / before
    return after / before if before else 1.0
