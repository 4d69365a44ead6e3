"""A prepared data set as H.264 videos, a twentieth of the size of its JPEG files, to be carried to another machine.

Successive crops of a track are nearly the same picture, which JPEG files say anew each time. ``videos.tar`` holds a
video of each track (of photographs, one of many) and what its frames show, ``videos.json`` what the whole is. Writing
needs PyAV, reading OpenCV alone.
"""

from __future__ import annotations

import io
import itertools
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import joblib
import numpy as np
import webdataset
from numpy.typing import NDArray
from webdataset.tariterators import tarfile_samples

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.training.data.crop_store import decode
from siam_tracker_core.training.data.prepared_set import PreparedSet, open_prepared, write_index
from siam_tracker_core.training.data.shards import INDEX, SetInfo, Shard, TrackCrops, describe, gist, parse, write_shard

VIDEOS = "videos.tar"
CONTENT = "videos.json"

_STILLS = 50  # photographs in one video
_SHARD = 200  # tracks in one shard
_QUALITY = 95  # of the JPEG files that videos become again


@dataclass(frozen=True)
class Encoding:
    """How crops become video.

    Attributes:
        crf: x264's constant rate factor, 0 (without loss) to 51; 28 keeps 36 dB of crops.
        preset: x264's, by which time is paid for size.
    """

    crf: int = 28
    preset: str = "medium"


def encode(images: Iterable[NDArray[np.uint8]], size: int, encoding: Encoding) -> bytes:
    """An MP4 file of images (size, size, 3) BGR; those of an odd size get one row and column more."""
    import av

    buffer = io.BytesIO()
    options = {"crf": str(encoding.crf), "preset": encoding.preset, "threads": "1"}
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.pix_fmt = "yuv420p"
        odd = size % 2  # colours are told for squares of four pixels
        stream.width = stream.height = size + odd
        for image in images:
            even = cv2.copyMakeBorder(image, 0, odd, 0, odd, cv2.BORDER_REPLICATE)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="bgr24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def frames_of(video: bytes, origin: str) -> Iterator[NDArray[np.uint8]]:
    """The images of a video file, uint8 (H, W, 3) BGR.

    Raises:
        DatasetError: if it is none.
    """
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:  # OpenCV reads no video from memory
        file.write(video)
        file.flush()
        capture = cv2.VideoCapture(file.name)
        if not capture.isOpened():
            raise DatasetError(f"{origin} holds a video that cannot be decoded; pack it again")
        while True:
            more, image = capture.read()
            if not more:
                return
            yield image  # type: ignore[misc]


def write_videos(
    info: SetInfo, samples: Iterable[TrackCrops], folder: Path, encoding: Encoding, jobs: int = 1
) -> tuple[int, int]:
    """Write samples of a data set as videos.

    Args:
        info: of the data set.
        samples: to write.
        folder: to write to, made where it is not there.
        encoding: of the videos.
        jobs: processes that encode.

    Returns:
        How many tracks and frames were written.

    Raises:
        DatasetError: if there is no sample, or one cannot be read.
        OSError: if the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tracks: set[str] = set()
    frames = count = 0
    encoded = joblib.Parallel(n_jobs=jobs, return_as="generator")(
        joblib.delayed(_encoded)(info, group, encoding) for group in _groups(samples)
    )
    with (folder / VIDEOS).open("wb") as stream, webdataset.TarWriter(stream, encoder=False, mtime=0) as tar:
        for group, video in encoded:
            shown = json.dumps([json.loads(describe(info, sample)) for sample in group]).encode()
            tar.write({"__key__": f"{count:06d}", "json": shown, "mp4": video})
            count += 1
            tracks |= {sample.track for sample in group}
            frames += sum(len(sample.frames) for sample in group)
    if not count:
        raise DatasetError(f"nothing of {info.location} is left at that size; allow more megabytes")
    (folder / CONTENT).write_text(json.dumps({**asdict(info), "location": ""}))
    return len(tracks), frames


def _groups(samples: Iterable[TrackCrops]) -> Iterator[list[TrackCrops]]:
    """Tracks each by itself, and single images together."""
    single: list[TrackCrops] = []
    for sample in samples:
        if len(sample) > 1:
            yield [sample]
            continue
        single.append(sample)
        if len(single) == _STILLS:
            yield single
            single = []
    if single:
        yield single


def _encoded(info: SetInfo, group: list[TrackCrops], encoding: Encoding) -> tuple[list[TrackCrops], bytes]:
    """The group without its JPEG files, and the video of them."""
    size = info.crop_size
    images = (decode(image, size, f"{info.data_set}, {each.track}") for each in group for image in each.images)
    return [replace(sample, images=()) for sample in group], encode(images, size, encoding)


def is_videos(folder: Path) -> bool:
    """Whether ``write_videos`` wrote a folder."""
    return (folder / CONTENT).is_file()


def read_videos(folder: Path, out: Path, jobs: int = 1) -> PreparedSet:
    """Turn videos into a prepared data set with JPEG files again, or open the one that is there already.

    Args:
        folder: that ``write_videos`` wrote.
        out: folder of the prepared data set.
        jobs: processes that decode.

    Raises:
        DatasetError: if the folder or a video cannot be read.
        OSError: if ``out`` cannot be written.
    """
    if (out / INDEX).is_file():
        return open_prepared(out)
    try:
        content = json.loads((folder / CONTENT).read_text())
        info = SetInfo(**{**content, "location": str(out)})
    except (OSError, ValueError, TypeError) as error:
        raise DatasetError(f"{folder} holds no packed data set ({gist(error)}); pack it again") from error
    out.mkdir(parents=True, exist_ok=True)
    chunks = _chunks(_members(folder / VIDEOS), _SHARD)
    decoded = joblib.Parallel(n_jobs=jobs, return_as="generator")(
        joblib.delayed(_shard)(out / f"{number:06d}.tar", info, chunk) for number, chunk in enumerate(chunks)
    )
    shards = tuple(shard for shard in decoded if shard is not None)
    write_index(out, PreparedSet(info, shards), {"packed": True})
    return open_prepared(out)


def _members(path: Path) -> Iterator[dict[str, Any]]:
    try:
        yield from tarfile_samples([{"url": str(path)}])
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read ({gist(error)}); copy or pack it again") from error


def _chunks(members: Iterator[dict[str, Any]], least: int) -> Iterator[list[dict[str, bytes]]]:
    """Members of the archive together that hold at least so many tracks, but for the last."""
    chunk: list[dict[str, bytes]] = []
    held = 0
    for member in members:
        chunk.append({"json": member["json"], "mp4": member["mp4"]})
        held += len(json.loads(member["json"]))
        if held >= least:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def _shard(path: Path, info: SetInfo, members: list[dict[str, bytes]]) -> Shard | None:
    return write_shard(path, info, _samples(info, members, str(path)))


def _samples(info: SetInfo, members: list[dict[str, bytes]], origin: str) -> Iterator[TrackCrops]:
    for member in members:
        frames = frames_of(member["mp4"], origin)
        for entry in json.loads(member["json"]):
            count = len(entry["frames"])
            images = [_jpeg(image[: info.crop_size, : info.crop_size]) for image in itertools.islice(frames, count)]
            files: dict[str, Any] = {f"{place:04d}.jpg": image for place, image in enumerate(images)}
            yield parse({"__key__": entry["track"], "json": json.dumps(entry), **files}, info, origin)


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()


def encoded_share(samples: Iterable[TrackCrops], info: SetInfo, encoding: Encoding) -> float:
    """Bytes of a video for each byte of the JPEG files, over some samples."""
    before = after = 0
    for group in _groups(samples):
        before += sum(len(image) for sample in group for image in sample.images)
        after += len(_encoded(info, group, encoding)[1])
    return after / before if before else 1.0
