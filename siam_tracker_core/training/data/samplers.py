"""What is drawn of a track: image pairs, clips, pairs of boxes, or the boxes of one domain.

A sampler works in two steps. ``draw`` picks frames of a track and keeps their JPEG files only, so that many draws can
wait in a shuffle buffer; ``finish`` decodes them and makes the sample, for which it may look at other draws.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from collections.abc import Sequence as Many
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.training.data.box_samples import negative_boxes, positive_boxes
from siam_tracker_core.training.data.crop_store import decode
from siam_tracker_core.training.data.cutouts import CutOuts
from siam_tracker_core.training.data.sampler_settings import BoxPairSampling, ClipSampling, DomainSampling, PairSampling
from siam_tracker_core.training.data.shards import SetInfo, TrackCrops

Sample = dict[str, Any]

# How often another video is looked for before a pair stays as it is.
_TRIES = 16


@dataclass(frozen=True)
class Draw:
    """Frames picked of one track.

    Attributes:
        data_set, video, track: which one, as in the shard.
        images: JPEG files of the frames.
        sizes: float32 (k, 2), width and height of the target in pixels of the crop.
    """

    data_set: str
    video: str
    track: str
    images: tuple[bytes, ...]
    sizes: NDArray[np.float32]

    @classmethod
    def of(cls, crops: TrackCrops, places: Many[int] | NDArray[np.intp]) -> Draw:
        """The frames of a track at some places."""
        images = tuple(crops.images[place] for place in places)
        return cls(crops.data_set, crops.video, crops.track, images, crops.sizes[np.asarray(places)])

    @property
    def number(self) -> int:
        """A hash of the video in 64 bits with sign, equal for equal videos in every process."""
        return number_of(self.data_set, self.video)

    def decoded(self, crop_size: int) -> list[NDArray[np.uint8]]:
        """The frames as uint8 (crop_size, crop_size, 3) BGR; each file is decoded once.

        Raises:
            DatasetError: if one is no such image.
        """
        known: dict[bytes, NDArray[np.uint8]] = {}
        for image in self.images:
            if image not in known:
                known[image] = decode(image, crop_size, f"{self.data_set}, {self.track}")
        return [known[image] for image in self.images]


def number_of(*names: str) -> int:
    """A hash of names in 64 bits with sign, the same in every process."""
    return int.from_bytes(hashlib.blake2b("\0".join(names).encode(), digest_size=8).digest(), "big", signed=True)


class Sampler(Protocol):
    """Makes samples of tracks.

    Attributes:
        least: frames that a track must have.
        needs_video: whether photographs have nothing to give.
    """

    least: int
    needs_video: bool

    def of(self, info: SetInfo) -> Sampler:
        """The sampler for a data set: settings in time become frames of it."""

    def draw(self, crops: TrackCrops, every: int, rng: np.random.Generator) -> Draw | None:
        """Pick frames of a track whose successive frames are ``every`` apart; None if it lacks what is needed."""

    def finish(self, draw: Draw, others: Many[Draw], crop_size: int, rng: np.random.Generator) -> Sample:
        """The sample: arrays and numbers by name. ``others`` are draws of other tracks and of this one."""


def _two_frames(crops: TrackCrops, frame_range: int, rng: np.random.Generator) -> Draw:
    """Any frame, and any within the range of it (itself included, so that a still makes a pair too)."""
    first = int(rng.integers(len(crops)))
    near = np.flatnonzero(np.abs(crops.frames - crops.frames[first]) <= frame_range)
    return Draw.of(crops, (first, int(rng.choice(near))))


class Pairs:
    """Two frames of a track, or a still twice.

    A sample holds ``exemplar`` and ``search``, uint8 (s, s, 3) BGR; ``exemplar_size`` and ``search_size``, float32
    (2,), the target's width and height in pixels of the crop, in whose middle it is; ``negative``, whether the search
    crop shows another video's target (its size is 0 then); ``track``, a hash of the exemplar's video.
    """

    least = 1
    needs_video = False

    def __init__(self, config: PairSampling) -> None:
        self.config = config
        self.cutouts = CutOuts(config.cutouts) if config.cutouts else None

    def of(self, info: SetInfo) -> Pairs:
        """With the range in frames of the data set, where it is set in seconds.

        Raises:
            DatasetError: if the data set does not tell its frame rate.
        """
        if not self.config.seconds or info.kind != "video":
            return self
        if info.rate is None:
            raise DatasetError(
                f"{info.location} does not tell its frame rate, so that pairs.seconds cannot be had; prepare it again, "
                "or give pairs.frame_range"
            )
        same = copy.copy(self)
        same.config = replace(self.config, frame_range=int(self.config.seconds * info.rate), seconds=0.0)
        return same

    def draw(self, crops: TrackCrops, every: int, rng: np.random.Generator) -> Draw:
        return _two_frames(crops, self.config.frame_range, rng)

    def finish(self, draw: Draw, others: Many[Draw], crop_size: int, rng: np.random.Generator) -> Sample:
        composed = self.cutouts is not None and rng.random() < self.config.cutout_share
        negative = rng.random() < self.config.negative_share
        stranger = _other_video(draw, others, rng) if negative else None
        if composed:
            sample = self._composed(draw, others, crop_size, rng)
        else:
            exemplar, search = draw.decoded(crop_size)
            sample = {
                "exemplar": exemplar,
                "search": search,
                "exemplar_size": draw.sizes[0],
                "search_size": draw.sizes[1],
                "track": draw.number,
            }
        if stranger is not None:
            shown = decode(stranger.images[-1], crop_size, stranger.track)
            sample |= {"search": shown, "search_size": np.zeros(2, np.float32)}
        return {**sample, "negative": stranger is not None}

    def _composed(self, draw: Draw, others: Many[Draw], crop_size: int, rng: np.random.Generator) -> Sample:
        """A pair of a cut-out object before the drawn crop and, three times in four, another one."""
        assert self.cutouts is not None
        number = int(rng.integers(len(self.cutouts)))
        behind = draw if rng.random() < 0.25 or not others else others[int(rng.integers(len(others)))]
        backgrounds = (
            decode(draw.images[0], crop_size, draw.track),
            decode(behind.images[0], crop_size, behind.track),
        )
        (exemplar, first), (search, second) = self.cutouts.pair(number, backgrounds, rng)
        return {
            "exemplar": exemplar,
            "search": search,
            "exemplar_size": np.array(first, dtype=np.float32),
            "search_size": np.array(second, dtype=np.float32),
            "track": number_of("cut-outs", str(number)),
        }


def _other_video(draw: Draw, others: Many[Draw], rng: np.random.Generator) -> Draw | None:
    """A draw of another video, or None if hardly any of the others is one."""
    for _ in range(_TRIES if others else 0):
        other = others[int(rng.integers(len(others)))]
        if other.number != draw.number:
            return other
    return None


class Clips:
    """Successive frames of a track.

    A sample holds ``crops``, uint8 (length, s, s, 3) BGR; ``sizes``, float32 (length, 2), of the target in pixels of
    the crop; ``track``, a hash of the video. Tracks without enough successive frames are left out.
    """

    needs_video = True

    def __init__(self, config: ClipSampling) -> None:
        self.config, self.least = config, config.length

    def of(self, info: SetInfo) -> Clips:
        return self

    def draw(self, crops: TrackCrops, every: int, rng: np.random.Generator) -> Draw | None:
        length = self.config.length
        steps = np.diff(crops.frames) <= self.config.gap * every
        if len(steps) < length - 1:
            return None
        starts = np.flatnonzero(np.convolve(steps, np.ones(length - 1, int), "valid") == length - 1)
        if not len(starts):
            return None
        start = int(rng.choice(starts))
        return Draw.of(crops, range(start, start + length))

    def finish(self, draw: Draw, others: Many[Draw], crop_size: int, rng: np.random.Generator) -> Sample:
        return {"crops": np.stack(draw.decoded(crop_size)), "sizes": draw.sizes, "track": draw.number}


class BoxPairs:
    """The target's box in one frame against boxes of another (SRT section 3.1).

    A sample holds ``exemplar`` and ``search``, uint8 (s, s, 3) BGR; ``exemplar_size`` and ``search_size``, float32
    (2,), whose boxes in the middle of the crops are the ground truth; ``boxes``, float32 (positives + negatives, 4) of
    ``x, y, width, height`` in pixels of the search crop; ``positive``, bool, one a box; ``track``, a hash of the video.
    """

    least = 1
    needs_video = False

    def __init__(self, config: BoxPairSampling) -> None:
        self.config = config

    def of(self, info: SetInfo) -> BoxPairs:
        return self

    def draw(self, crops: TrackCrops, every: int, rng: np.random.Generator) -> Draw:
        return _two_frames(crops, self.config.frame_range, rng)

    def finish(self, draw: Draw, others: Many[Draw], crop_size: int, rng: np.random.Generator) -> Sample:
        config = self.config
        exemplar, search = draw.decoded(crop_size)
        near = positive_boxes(draw.sizes[1], crop_size, config.positives, lambda overlap: overlap > 0.7, rng)
        off = negative_boxes(draw.sizes[1], crop_size, config.negatives, lambda overlap: overlap < 0.5, rng)
        return {
            "exemplar": exemplar,
            "search": search,
            "exemplar_size": draw.sizes[0],
            "search_size": draw.sizes[1],
            "boxes": np.concatenate([near, off]),
            "positive": np.arange(config.positives + config.negatives) < config.positives,
            "track": draw.number,
        }


class Domains:
    """Boxes on and off the target in several frames of one domain, a domain being a track (MDNet section 3.2).

    A sample holds ``crops``, uint8 (frames, s, s, 3) BGR; ``sizes``, float32 (frames, 2); ``positives`` and
    ``negatives``, float32 (frames, n, 4) of ``x, y, width, height`` in pixels of the crop; ``domain``, its number. A
    stretch with fewer frames gives some of them twice, with other boxes.

    Args:
        config: settings.
        numbers: of the domains, by ``(data set, track)``.
    """

    least = 1
    needs_video = True

    def __init__(self, config: DomainSampling, numbers: Mapping[tuple[str, str], int]) -> None:
        self.config, self.numbers = config, numbers

    def of(self, info: SetInfo) -> Domains:
        return self

    def draw(self, crops: TrackCrops, every: int, rng: np.random.Generator) -> Draw:
        wanted = self.config.frames
        rounds = [rng.permutation(len(crops)) for _ in range(-(-wanted // len(crops)))]
        return Draw.of(crops, np.concatenate(rounds)[:wanted])

    def finish(self, draw: Draw, others: Many[Draw], crop_size: int, rng: np.random.Generator) -> Sample:
        config = self.config
        near, off = config.positives // config.frames, config.negatives // config.frames
        if (draw.data_set, draw.track) not in self.numbers:
            raise DatasetError(f"track {draw.track} of {draw.data_set} is not in the index; prepare the data set again")
        return {
            "crops": np.stack(draw.decoded(crop_size)),
            "sizes": draw.sizes,
            "positives": np.stack(
                [positive_boxes(size, crop_size, near, lambda overlap: overlap >= 0.7, rng) for size in draw.sizes]
            ),
            "negatives": np.stack(
                [negative_boxes(size, crop_size, off, lambda overlap: overlap <= 0.5, rng) for size in draw.sizes]
            ),
            "domain": self.numbers[draw.data_set, draw.track],
        }
