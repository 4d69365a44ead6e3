"""Which videos of prepared data sets are trained on, which validate, and which are left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt, Le

from siam_tracker_core.config import STRICT
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.limits import Positive
from siam_tracker_core.training.data.prepared_set import PreparedSet
from siam_tracker_core.training.data.samplers import Sampler, number_of
from siam_tracker_core.training.data.streams import Supply, Wanted


@dataclass(frozen=True)
class Source:
    """A prepared data set and how much of it is drawn.

    Attributes:
        path: folder or address that ``siam-tracker prepare`` wrote, see ``shards``.
        weight: share of the samples, relative to the other sources' weights.
        share: of its videos that are drawn from, as in Figure 10 of SiamRPN; the same ones with every seed, and a
            smaller share's are among a larger one's.
        loose: its boxes are interpolated, labelled by a tracker or otherwise inexact: they teach where targets are, and
            a teacher, where there is one, how large. Every sample carries this as ``loose``.
    """

    path: str
    weight: Positive = 1.0
    share: Annotated[float, Gt(0), Le(1)] = 1.0
    loose: bool = False

    __pydantic_config__ = STRICT


def held_out_videos(sets: list[PreparedSet], names: tuple[str, ...]) -> set[str]:
    """The videos that are left out: those named, and those that hold a track that is named.

    Raises:
        DatasetError: for a name that is neither a video nor a track.
    """
    wanted, found, videos = set(names), set(), set()
    for each in sets:
        for shard in each.shards:
            for video, track in zip(shard.videos, shard.tracks, strict=True):
                named = wanted & {video, track}
                if named:
                    found |= named
                    videos.add(video)
    if wanted - found:
        places = ", ".join(each.info.location for each in sets)
        raise DatasetError(f"held_out names {', '.join(sorted(wanted - found))}, which is in none of {places}")
    return videos


def videos_of(prepared: PreparedSet) -> set[str]:
    """All videos of a data set."""
    return {video for shard in prepared.shards for video in shard.videos}


def beyond_share(prepared: PreparedSet, share: float) -> set[str]:
    """The videos of a data set that a share of it leaves out: each has its place in 0..1 by the hash of its name."""
    name, bound = prepared.info.data_set, share * 2**32
    return {video for video in videos_of(prepared) if number_of(name, video) % 2**32 >= bound}


def validating_videos(prepared: PreparedSet, share: float) -> set[str]:
    """The videos of a data set that validate, by another hash of their names."""
    name, bound = prepared.info.data_set, share * 2**32
    return {video for video in videos_of(prepared) if number_of("validation", name, video) % 2**32 < bound}


def domains_of(sets: list[PreparedSet], left_out: list[set[str]]) -> list[tuple[str, str]]:
    """Data set and name of all tracks that are trained on, in an order that depends on them alone."""
    return sorted(
        {
            (each.info.data_set, track)
            for each, unwanted in zip(sets, left_out, strict=True)
            for shard in each.shards
            for video, track in zip(shard.videos, shard.tracks, strict=True)
            if video not in unwanted
        }
    )


def sequences_of(sets: list[PreparedSet], left_out: list[set[str]]) -> list[str]:
    """Names of the tracks of videos that are trained on, so that an evaluation can tell what has been seen."""
    return sorted(
        {
            track
            for each, unwanted in zip(sets, left_out, strict=True)
            if each.info.kind == "video"
            for shard in each.shards
            for video, track in zip(shard.videos, shard.tracks, strict=True)
            if video not in unwanted
        }
    )


def supply_of(prepared: PreparedSet, source: Source, left_out: set[str], sampler: Sampler, kind: str) -> Supply:
    """The samples of a data set that are trained on.

    Raises:
        DatasetError: if it is of a kind that does not have what is wanted, or nothing is left of it.
    """
    info = prepared.info
    if info.kind == "photographs" or (sampler.needs_video and info.kind != "video"):
        needed = "videos" if sampler.needs_video else "videos or stills with boxes"
        raise DatasetError(f"{info.location} holds {info.kind}, of which no {kind} can be made; give {needed}")
    shards = []
    for shard in prepared.shards:
        kept = [
            place
            for place, (video, length) in enumerate(zip(shard.videos, shard.lengths, strict=True))
            if video not in left_out and length >= sampler.least
        ]
        if kept:
            shards.append(Wanted(shard.file, np.array(kept, dtype=np.intp)))
    if not shards:
        raise DatasetError(
            f"nothing of {info.location} is left to train on: all of it is held out, beyond the share, or shorter "
            f"than {sampler.least} frames"
        )
    return Supply(info, tuple(shards), source.weight, source.loose)
