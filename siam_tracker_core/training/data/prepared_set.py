"""A prepared data set: a folder of shards, and the index that lists them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import webdataset

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.training.data.shards import FORMAT, INDEX, SetInfo, Shard, address, gist, write_whole


@dataclass(frozen=True)
class PreparedSet:
    """A prepared data set, opened.

    Attributes:
        info: of all of it.
        shards: the tar files.
    """

    info: SetInfo
    shards: tuple[Shard, ...]

    @property
    def frames(self) -> int:
        """Crops in all shards."""
        return sum(sum(shard.lengths) for shard in self.shards)

    @property
    def size(self) -> int:
        """Of all shards, in bytes."""
        return sum(shard.size for shard in self.shards)

    @property
    def fingerprint(self) -> str:
        """Tells this data set from one that was prepared otherwise: a hash of all that the index says of its shards."""
        return hashlib.sha256(repr([asdict(shard) for shard in self.shards]).encode()).hexdigest()

    @property
    def tracks(self) -> int:
        """Different tracks in all shards."""
        return len({track for shard in self.shards for track in shard.tracks})


def write_index(folder: Path, prepared: PreparedSet, more: dict[str, Any]) -> None:
    """Write ``index.json``, which makes a folder of shards a prepared data set.

    Args:
        folder: of the shards.
        prepared: what it holds.
        more: further entries, e.g. what was left out; readers need none of them.

    Raises:
        OSError: if it cannot be written.
    """
    info = prepared.info
    content = {
        "format": FORMAT,
        "data_set": info.data_set,
        "kind": info.kind,
        "crop_size": info.crop_size,
        "every": info.every,
        "rate": info.rate,
        "samples": sum(len(shard) for shard in prepared.shards),
        "tracks": prepared.tracks,
        "frames": prepared.frames,
        **more,
        "shards": [vars(shard) for shard in prepared.shards],
    }
    write_whole(folder / INDEX, json.dumps(content))


def read_index(location: str | Path) -> dict[str, Any]:
    """The whole content of an ``index.json``.

    Raises:
        DatasetError: if it is missing or not one of this format.
    """
    url = address(str(location), INDEX)
    try:
        with webdataset.gopen(url) as stream:
            data = stream.read()
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{url} cannot be read ({gist(error)}); {location} is no data set that `siam-tracker prepare` finished"
        ) from error
    try:
        content = json.loads(data)
        known = content["format"] == FORMAT
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise DatasetError(f"{url} is not an index of format {FORMAT!r}; prepare the data set again")
    return content  # type: ignore[no-any-return]


def open_prepared(location: str | Path) -> PreparedSet:
    """Open a prepared data set.

    Args:
        location: a folder, or an address as in this module's description.

    Raises:
        DatasetError: if there is none, or it holds no sample.
    """
    content = read_index(location)
    try:
        shards = tuple(Shard.from_json(entry) for entry in content["shards"])
        told = (content["data_set"], content["kind"], content["crop_size"], content["every"])
        info = SetInfo(str(location), *told, content.get("rate"))
    except (KeyError, TypeError) as error:
        raise DatasetError(f"{address(str(location), INDEX)} lacks {error}; prepare the data set again") from error
    if not any(len(shard) for shard in shards):
        raise DatasetError(f"{location} holds no sample; prepare it from data with usable targets")
    return PreparedSet(info, shards)
