"""Cutting a planned data set into shards, one process a shard, and going on after an interruption.

A process writes a shard's tar file and then a record beside it; a shard with a record is done. ``index.json`` is put
together from the records at the very end (``commands.prepare``).
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.geometry import Window
from siam_tracker_core.training.data.crop_store import cut, target_window
from siam_tracker_core.training.data.plan import Chunk, LeftOut, Piece, Preparation
from siam_tracker_core.training.data.shards import SetInfo, Shard, TrackCrops, write_shard, write_whole

UNREADABLE = "image cannot be read"


@dataclass
class Cutter:
    """Cuts pieces; keeps the last image, which the targets of a photograph share.

    Attributes:
        info: of the data set.
        settings: what is wanted.
        left: takes what is left out.
        lost: pieces of which nothing is left: their track and the reason.
    """

    info: SetInfo
    settings: Preparation
    left: LeftOut = field(default_factory=LeftOut)
    lost: list[tuple[str, str]] = field(default_factory=list)
    _path: Path | None = None
    _image: NDArray[np.uint8] | None = None

    def samples(self, pieces: Iterable[Piece]) -> Iterator[TrackCrops]:
        """The crops of pieces in order; pieces of which nothing is left are left out."""
        for piece in pieces:
            sample = self._sample(piece)
            if sample is not None:
                yield sample

    def _sample(self, piece: Piece) -> TrackCrops | None:
        track, frames, sizes, images = piece.sequence.name, [], [], []
        reasons: Counter[str] = Counter()
        for place in piece.places:
            number = piece.first + int(place)
            image = self._read(piece.sequence, int(place))
            if image is None:
                reason, name = UNREADABLE, str(piece.sequence.frames[place])
            else:
                reason, name = self._reject(piece.sequence.boxes[place], image), f"{track}:{number}"
            if reason or image is None:
                self.left.frames.add(reason, name)
                reasons[reason] += 1
                continue
            window, size = self._window(piece.sequence.boxes[place], image, track)
            frames.append(number)
            sizes.append(size)
            images.append(self._encode(cut(image, window, self.settings.crop_size)))
        if not frames:
            self.lost.append((track, reasons.most_common(1)[0][0]))
            return None
        return TrackCrops(
            self.info.data_set,
            piece.video,
            track,
            piece.part,
            piece.parts,
            np.array(frames, dtype=np.int64),
            np.array(sizes, dtype=np.float32),
            piece.sequence.visibility[np.array(frames) - piece.first].astype(np.float32),
            tuple(images),
        )

    def _reject(self, box: NDArray[np.float64], image: NDArray[np.uint8]) -> str:
        if np.isnan(box).any():
            return ""
        return self.settings.filters.reject_place(box, image.shape[1], image.shape[0])

    def _window(
        self, box: NDArray[np.float64], image: NDArray[np.uint8], track: str
    ) -> tuple[Window, tuple[float, float]]:
        if not np.isnan(box).any():
            return target_window(box, self.settings.crop_size)
        # A window of 0.6 to 1 of the photograph's shorter side; which one depends on its name alone.
        rng = np.random.default_rng((self.settings.seed, zlib.crc32(track.encode())))
        height, width = image.shape[:2]
        side = min(width, height) * float(rng.uniform(0.6, 1.0))
        x, y = (float(rng.uniform(side / 2, extent - side / 2)) for extent in (width, height))
        return Window(x, y, side), (0.0, 0.0)

    def _encode(self, crop: NDArray[np.uint8]) -> bytes:
        return cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, self.settings.quality])[1].tobytes()

    def _read(self, sequence: Sequence, place: int) -> NDArray[np.uint8] | None:
        """An image, or None where it cannot be read whole."""
        path = sequence.frames[place]
        # Composed clips name the photograph behind a frame, which is not the frame.
        shared = type(sequence) is Sequence
        if not shared or path != self._path:
            try:
                self._image = sequence.image(place)
            except DatasetError:
                self._image = None
            self._path = path if shared else None
        return self._image


@dataclass(frozen=True)
class Record:
    """What became of a chunk.

    Attributes:
        digest: of the chunk.
        shard: its entry in the index; None if nothing was left.
        left: what was left out.
        lost: tracks of which a stretch was lost entirely, with the reason.
    """

    digest: str
    shard: Shard | None
    left: LeftOut
    lost: list[tuple[str, str]]


def record_path(folder: Path, chunk: Chunk) -> Path:
    """Where a chunk's record lies."""
    return folder / f"{chunk.number:06d}.done.json"


def read_record(folder: Path, chunk: Chunk) -> Record | None:
    """The record of a chunk that was cut before, or None if there is none, or one of other data."""
    path = record_path(folder, chunk)
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    shard = content["shard"] and Shard.from_json(content["shard"])
    if content["digest"] != chunk.digest or (shard and not (folder / shard.file).is_file()):
        return None
    return Record(
        content["digest"], shard, LeftOut.from_json(content["left"]), [(track, why) for track, why in content["lost"]]
    )


def cut_chunk(chunk: Chunk, folder: Path, info: SetInfo, settings: Preparation) -> Record:
    """Cut a chunk and write its shard, then its record.

    Raises:
        DatasetError: if they cannot be written; nothing is left of them then.
    """
    cv2.setNumThreads(1)  # the processes share the cores
    cutter = Cutter(info, settings)
    path = folder / f"{chunk.number:06d}.tar"
    try:
        shard = write_shard(path, info, cutter.samples(piece for work in chunk.work for piece in work.pieces()))
        record = Record(chunk.digest, shard, cutter.left, cutter.lost)
        content = {**vars(record), "left": record.left.to_json(), "shard": shard and asdict(shard)}
        write_whole(record_path(folder, chunk), json.dumps(content))
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be written ({error.strerror or error}); the shards that are finished stay: make room and "
            "give the same command again to go on"
        ) from error
    return record
