"""The plan of what is cut out of a data set: which frames of which tracks go into which shard.

It is made before anything is cut, from the data and the settings alone, so the shards' content does not depend on how
many processes share the work, and an interrupted run goes on with the same plan.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from siam_tracker_core.config import STRICT
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.types import Sequence, Still
from siam_tracker_core.limits import Count, Whole
from siam_tracker_core.pixels import Orientation
from siam_tracker_core.training.data.crop_store import CROP_SIZE, EXEMPLAR_SIZE
from siam_tracker_core.training.data.filters import CropFilter
from siam_tracker_core.training.data.shards import Kind


@dataclass(frozen=True)
class Preparation:
    """Settings that decide what the shards hold.

    Attributes:
        crop_size: side of the crops in pixels; 320 serves a search region of 255 with room to shift it, proposal
            networks with regions of 287 take 448.
        quality: of the JPEG files, 1..100.
        shard_size: frames after which a shard is full.
        longest: frames in a sample; longer tracks are cut into stretches of equal length.
        spread: longer tracks are not cut into stretches, but a sample takes every second frame of a track, or every
            third ..., so that its frames lie all over it; for samples of any two frames or more, not for clips.
        every: take every n-th frame of a track.
        windows: random square windows of a photograph without targets.
        seed: of the order of the tracks in the shards, and of the windows.
        filters: which targets are left out.
        orientation: ``exif`` turns images as they say, ``stored`` leaves them as they lie.
    """

    crop_size: Annotated[int, Ge(EXEMPLAR_SIZE)] = CROP_SIZE
    quality: Annotated[int, Ge(1), Le(100)] = 92
    shard_size: Count = 1000
    longest: Annotated[int, Ge(1), Le(9999)] = 100
    spread: bool = False
    every: Count = 1
    windows: Count = 2
    seed: Whole = 0
    filters: CropFilter = field(default_factory=CropFilter)
    orientation: Orientation = "exif"

    __pydantic_config__ = STRICT


@dataclass
class LeftOut:
    """What did not become crops, by reason.

    Attributes:
        read: what the data set's reader could not take.
        tracks: tracks without any crop, under the most frequent reason of their frames.
        frames: frames of tracks, or targets of photographs.
    """

    read: Skipped = field(default_factory=Skipped)
    tracks: Skipped = field(default_factory=Skipped)
    frames: Skipped = field(default_factory=Skipped)

    def to_json(self) -> dict[str, Any]:
        """Counts and names by reason, as ``index.json`` keeps them."""
        return {
            kind: {reason: {"count": count, "named": skipped.names[reason]} for reason, count in skipped.counts.items()}
            for kind, skipped in vars(self).items()
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> LeftOut:
        """The inverse of ``to_json``."""
        result = cls()
        for kind, reasons in content.items():
            skipped: Skipped = getattr(result, kind)
            for reason, entry in reasons.items():
                skipped.counts[reason], skipped.names[reason] = entry["count"], list(entry["named"])
        return result


@dataclass(frozen=True)
class Piece:
    """A sample to be cut.

    Attributes:
        sequence: the stretch of the track that holds its frames; a row of NaN in a photograph asks for a random window.
        video: what the track was seen in.
        first: number of the stretch's first frame in the track.
        places: of the frames wanted, counted in the stretch.
        part, parts: see ``TrackCrops``.
    """

    sequence: Sequence
    video: str
    first: int
    places: NDArray[np.intp]
    part: int = 0
    parts: int = 1


@dataclass(frozen=True)
class Work:
    """Pieces that share an image or a track, packed: a plan of millions of frames has to stay in memory.

    Attributes:
        packed: list of ``Piece``, pickled and compressed.
        frames: how many they want.
        digest: of what they want.
    """

    packed: bytes
    frames: int
    digest: str

    @classmethod
    def of(cls, pieces: list[Piece], root: Path) -> Work:
        """Pack pieces of a data set that lies under ``root``."""
        digest = hashlib.sha256()
        for piece in pieces:
            names = [_name(piece.sequence.frames[place], root) for place in piece.places]
            digest.update(json.dumps([piece.sequence.name, piece.part, piece.parts, piece.first, names]).encode())
            digest.update(piece.sequence.boxes[piece.places].tobytes())
            digest.update(piece.sequence.visibility[piece.places].tobytes())
        packed = zlib.compress(pickle.dumps(pieces))
        return cls(packed, sum(len(piece.places) for piece in pieces), digest.hexdigest())

    def pieces(self) -> list[Piece]:
        """What was packed, by this program: nothing of it comes from outside."""
        return pickle.loads(zlib.decompress(self.packed))  # type: ignore[no-any-return]  # nosec B301


@dataclass(frozen=True)
class Chunk:
    """The work that makes one shard.

    Attributes:
        number: of the shard.
        work: in the order of the samples.
    """

    number: int
    work: tuple[Work, ...]

    @property
    def frames(self) -> int:
        """How many it wants."""
        return sum(work.frames for work in self.work)

    @property
    def digest(self) -> str:
        """Of what it wants."""
        return hashlib.sha256("".join(work.digest for work in self.work).encode()).hexdigest()


def plan(
    items: Iterable[Sequence | Still], kind: Kind, root: Path, settings: Preparation, left: LeftOut
) -> list[Chunk]:
    """Decide which frames go into which shard.

    Args:
        items: what the data set's reader yields.
        kind: of the data set; random windows are cut of ``photographs`` only.
        root: where it lies.
        settings: what is wanted.
        left: takes frames and tracks that are left out for their boxes alone.

    Returns:
        The chunks in order; none if nothing is left.
    """
    work: list[Work] = []
    for item in items:
        if isinstance(item, Sequence):
            # The stretches of a track may go into any shards.
            work += [Work.of([piece], root) for piece in _of_track(item, settings, left)]
        else:
            # The targets of a photograph stay together, so that it is read once.
            pieces = (
                _of_photograph(item, root, settings) if kind == "photographs" else _of_still(item, root, settings, left)
            )
            work += [Work.of(pieces, root)] if pieces else []
    order = np.random.default_rng(settings.seed).permutation(len(work))
    # A shard ends with the work that reaches its size.
    shards = np.cumsum([work[place].frames for place in order]) // settings.shard_size
    ends = np.flatnonzero(np.diff(shards, prepend=0)) + 1
    groups = [group for group in np.split(order, ends) if len(group)]
    return [Chunk(number, tuple(work[place] for place in group)) for number, group in enumerate(groups)]


def _of_track(sequence: Sequence, settings: Preparation, left: LeftOut) -> list[Piece]:
    """The stretches of one track; readers name a track ``video/track``, or ``video`` where that has one track only."""
    video = sequence.name.rpartition("/")[0] or sequence.name
    wanted = np.arange(0, len(sequence), settings.every)
    reasons = settings.filters.reject_boxes(sequence.boxes[wanted], sequence.visibility[wanted])
    kept = wanted[reasons == ""]
    _note(sequence.name, wanted, reasons, left)
    if not len(kept):
        return []
    count = -(-len(kept) // settings.longest)
    parts = [kept[number::count] for number in range(count)] if settings.spread else np.array_split(kept, count)
    # What no crop needs is not kept in memory.
    bare = replace(sequence, polygons=None, tags={}, attributes=frozenset())
    return [
        Piece(bare.part(part[0], part[-1] + 1), video, int(part[0]), part - part[0], number, len(parts))
        for number, part in enumerate(parts)
    ]


def _of_still(still: Still, root: Path, settings: Preparation, left: LeftOut) -> list[Piece]:
    """The targets of one photograph, each a track of one frame."""
    name = _name(still.path, root)
    reasons = settings.filters.reject_boxes(still.boxes, np.ones(len(still.boxes)))
    for number in np.flatnonzero(reasons != ""):
        _note(f"{name}#{number}", np.zeros(1, np.intp), reasons[number : number + 1], left)
    return [_of_box(still, name, int(number), still.boxes[number]) for number in np.flatnonzero(reasons == "")]


def _of_photograph(still: Still, root: Path, settings: Preparation) -> list[Piece]:
    """Random windows of one photograph, which are drawn when its size is known."""
    name = _name(still.path, root)
    return [_of_box(still, name, number, np.full(4, np.nan)) for number in range(settings.windows)]


def _of_box(still: Still, name: str, number: int, box: NDArray[np.float64]) -> Piece:
    frame = Sequence(f"{name}#{number}", (still.path,), box[None], orientation=still.orientation, size=still.size)
    return Piece(frame, name, 0, np.zeros(1, np.intp))


def _name(path: Path, root: Path) -> str:
    """A path for humans and digests, which does not change when the data set is moved."""
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def _note(track: str, frames: NDArray[Any], reasons: NDArray[np.str_], left: LeftOut) -> None:
    """Count the frames with a reason, and the track if all have one."""
    for frame, reason in zip(frames[reasons != ""], reasons[reasons != ""], strict=True):
        left.frames.add(str(reason), f"{track}:{frame}")
    if len(reasons) and (reasons != "").all():
        left.tracks.add(Counter(reasons.tolist()).most_common(1)[0][0], track)
