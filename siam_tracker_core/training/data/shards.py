"""Tar files of context crops in webdataset's form, of which prepared data sets are made.

A folder of shards holds ``000000.tar, 000001.tar, ...`` and, written last, ``index.json``. One sample of a shard is a
track, or a stretch of a long one: ``000004.0000.jpg, 000004.0001.jpg, ...`` are its context crops, ``000004.json`` says
what they show. The number in front is the sample's place in its shard. The folder may lie on a disk or behind anything
that webdataset opens: ``http://``, ``gs://``, or a command, ``pipe:``, with ``{}`` where the file's name goes.
"""

from __future__ import annotations

import json
import os
import shlex
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import webdataset
from numpy.typing import NDArray
from webdataset.tariterators import tarfile_samples

from siam_tracker_core.errors import DatasetError

FORMAT = "siam-tracker crops 1"
INDEX = "index.json"
UNFINISHED = ".unfinished"

Kind = Literal["video", "stills", "photographs"]


@dataclass(frozen=True)
class TrackCrops:
    """One sample: context crops of a target in successive frames, the target in the middle of each.

    Attributes:
        data_set: where it comes from.
        video: what the track was seen in, a photograph counting as one; unique within the data set.
        track: its name, unique within the data set.
        part: which stretch of the track this is, from 0.
        parts: how many stretches the track was cut into.
        frames: (n,) numbers of the frames in their track, ascending.
        sizes: float32 (n, 2), width and height of the target in pixels of the crop; 0 where there is no target.
        visibility: float32 (n,), share of the target that can be seen.
        images: n JPEG files of crops.
    """

    data_set: str
    video: str
    track: str
    part: int
    parts: int
    frames: NDArray[np.int64]
    sizes: NDArray[np.float32]
    visibility: NDArray[np.float32]
    images: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Shard:
    """What the index says of one tar file.

    Attributes:
        file: its name.
        videos: of each sample in order.
        tracks: of each sample in order.
        lengths: frames of each sample in order.
        size: in bytes.
    """

    file: str
    videos: tuple[str, ...]
    tracks: tuple[str, ...]
    lengths: tuple[int, ...]
    size: int

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> Shard:
        """The entry as ``json`` reads it back.

        Raises:
            KeyError: if something is missing in it.
        """
        videos, tracks, lengths = (tuple(entry[name]) for name in ("videos", "tracks", "lengths"))
        return cls(entry["file"], videos, tracks, lengths, entry["size"])

    def __len__(self) -> int:
        return len(self.videos)


@dataclass(frozen=True)
class SetInfo:
    """What all samples of a prepared data set have in common.

    Attributes:
        location: folder or address.
        data_set: name of the data set it was made of.
        kind: ``video``, ``stills`` (one frame a track), or ``photographs`` (windows without target).
        crop_size: side of the crops in pixels.
        every: distance of successive frames in their track.
        rate: frames of a track in a second; None where they do not agree, or the index is of an older version.
    """

    location: str
    data_set: str
    kind: Kind
    crop_size: int
    every: int
    rate: float | None = None


def address(location: str, name: str) -> str:
    """Where a file of a prepared data set lies, as webdataset takes it.

    ``s3://`` addresses are read through the ``aws`` command, since webdataset has no handler of its own for them.
    """
    if "{}" in location:
        return location.replace("{}", name)
    joined = f"{location.rstrip('/')}/{name}"
    return f"pipe:aws s3 cp {shlex.quote(joined)} -" if location.startswith("s3://") else joined


def write_shard(path: Path, info: SetInfo, samples: Iterable[TrackCrops]) -> Shard | None:
    """Write a tar file, whole or not at all; equal samples give equal bytes.

    Args:
        path: of the file.
        info: of the data set.
        samples: what to write.

    Returns:
        Its entry in the index, or None, and no file, where there is no sample.

    Raises:
        OSError: if it cannot be written; what stood at ``path`` before is still there.
    """
    # Of this process alone: one of a killed run may still be writing the same shard.
    unfinished = path.with_suffix(f".tar.{os.getpid()}{UNFINISHED}")
    written: list[TrackCrops] = []
    try:
        with unfinished.open("wb") as stream, webdataset.TarWriter(stream, encoder=False, mtime=0) as tar:
            for place, sample in enumerate(samples):
                files: dict[str, Any] = {f"{n:04d}.jpg": image for n, image in enumerate(sample.images)}
                tar.write({"__key__": f"{place:06d}", "json": describe(info, sample), **files})
                written.append(sample)
        if written:
            unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    if not written:
        return None
    return Shard(
        path.name,
        tuple(sample.video for sample in written),
        tuple(sample.track for sample in written),
        tuple(len(sample) for sample in written),
        path.stat().st_size,
    )


def write_whole(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Raises:
        OSError: if it cannot be written.
    """
    unfinished = path.with_name(f"{path.name}.{os.getpid()}{UNFINISHED}")
    try:
        unfinished.write_text(text)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def describe(info: SetInfo, sample: TrackCrops) -> bytes:
    """What a sample shows, as JSON; the inverse is ``parse``."""
    return json.dumps(
        {
            "format": FORMAT,
            "data_set": info.data_set,
            "crop_size": info.crop_size,
            "video": sample.video,
            "track": sample.track,
            "part": sample.part,
            "parts": sample.parts,
            "frames": sample.frames.tolist(),
            "sizes": np.round(sample.sizes.astype(np.float64), 3).tolist(),
            "visibility": np.round(sample.visibility.astype(np.float64), 3).tolist(),
        }
    ).encode()


def read_shard(info: SetInfo, file: str, places: Iterable[int]) -> Iterator[TrackCrops]:
    """Read a tar file from front to back.

    Args:
        info: of the data set it belongs to.
        file: its name.
        places: of the samples that are wanted.

    Raises:
        DatasetError: if the file is missing, truncated, or does not belong to the data set.
    """
    url = address(info.location, file)
    keys = {f"{place:06d}" for place in places}
    count = 0
    try:
        for files in tarfile_samples([{"url": url}], select_files=lambda name: name.partition(".")[0] in keys):
            yield parse(files, info, url)
            count += 1
    except DatasetError:
        raise
    except (OSError, tarfile.TarError, EOFError, ValueError) as error:
        raise DatasetError(f"{url} cannot be read as a shard ({gist(error)}); copy or prepare it again") from error
    if count != len(keys):
        raise DatasetError(
            f"{url} holds only {count} of {len(keys)} samples asked for; it is truncated or not the one that {INDEX} "
            "speaks of: copy or prepare it again"
        )


def parse(files: dict[str, Any], info: SetInfo, url: str) -> TrackCrops:
    """A sample of its files.

    Args:
        files: by their endings, with the sample's name as ``__key__``.
        info: of the data set that it is to belong to.
        url: where they come from, for the message.

    Raises:
        DatasetError: if they are not a whole sample of this data set.
    """
    key = files["__key__"]
    try:
        content = json.loads(files["json"])
        found = content["format"], content["data_set"], content["crop_size"]
        count = len(content["frames"])
        sample = TrackCrops(
            content["data_set"],
            content["video"],
            content["track"],
            content["part"],
            content["parts"],
            np.array(content["frames"], dtype=np.int64),
            np.array(content["sizes"], dtype=np.float32).reshape(count, 2),
            np.array(content["visibility"], dtype=np.float32).reshape(count),
            tuple(files[f"{n:04d}.jpg"] for n in range(count)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{url}: sample {key} is not a whole one of format {FORMAT!r} (at {gist(error)}); it is truncated or no "
            "shard of this kind: copy or prepare it again"
        ) from error
    expected = FORMAT, info.data_set, info.crop_size
    if found != expected:
        raise DatasetError(
            f"{url}: sample {key} has format, data set and crop size {found}, expected {expected}; it is another data "
            "set's shard: copy or prepare it again"
        )
    return sample


def gist(error: Exception) -> str:
    """What went wrong; webdataset appends streams and addresses to an error's arguments."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error.args[0]) if error.args else type(error).__name__
