"""``siam-tracker prepare``: cut a data set into shards of context crops, once for all trainings."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from siam_tracker_core.commands.tables import markdown
from siam_tracker_core.config import read_config
from siam_tracker_core.datasets.exclusions import refuse_test_data
from siam_tracker_core.datasets.registry import DataSet, data_set
from siam_tracker_core.datasets.types import Sequence, Still
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.files import check_outputs
from siam_tracker_core.pixels import Orientation
from siam_tracker_core.training.data.cutting import UNREADABLE, Record, cut_chunk, read_record, record_path
from siam_tracker_core.training.data.filters import CropFilter
from siam_tracker_core.training.data.plan import Chunk, LeftOut, Preparation, plan
from siam_tracker_core.training.data.prepared_set import PreparedSet, open_prepared, read_index, write_index
from siam_tracker_core.training.data.shards import INDEX, UNFINISHED, Kind, SetInfo, write_whole

ARGUMENTS = "arguments.json"
DEFAULTS = Preparation()
PHOTOGRAPHS = "photographs"  # the data set without boxes


def prepare(
    dataset: str,
    root: Path | None = None,
    out: Path | None = None,
    split: str | None = None,
    jobs: int | None = None,
    crop_size: int = DEFAULTS.crop_size,
    quality: int = DEFAULTS.quality,
    shard_size: int = DEFAULTS.shard_size,
    longest: int = DEFAULTS.longest,
    spread: bool = DEFAULTS.spread,
    every: int = DEFAULTS.every,
    windows: int = DEFAULTS.windows,
    seed: int = DEFAULTS.seed,
    filters: CropFilter = DEFAULTS.filters,
    orientation: Orientation = DEFAULTS.orientation,
) -> None:
    """Cut a data set into shards of crops to train on; the same command again goes on with an interrupted run.

    Finished shards stay as they are.

    Args:
        dataset: alov, coco, composed, davis, deform-sot, folder, got10k, ilsvrc-det, ilsvrc-vid, lasot, photographs,
            stills, voc or youtube-bb. folder takes videos in OTB's form, photographs any folder of images without
            boxes (for `siam-tracker pretrain`). docs/data.md tells more of each.
        root: where the data set lies; left out, the command says what the folder must hold.
        out: folder for the shards; shards/DATASET by default.
        split: the part of it; the usual one for training by default.
        jobs: processes that cut; one a core by default.
        crop_size: side of the crops in pixels; 320 serves siamfc, proposal networks take 448.
        quality: of the JPEG files, 1 to 100.
        shard_size: frames after which a shard is full.
        longest: frames in a sample; longer tracks are cut into stretches.
        spread: cut longer tracks not into stretches, but into every second frame, or third ..., so that the frames of a
            sample lie all over the track: for pairs of any two frames (srt) and for domains (mdnet), not for clips.
        every: take every n-th frame of a track.
        windows: random windows of a photograph without boxes.
        seed: of the order of the tracks in the shards, and of random windows.
        filters: which targets are left out.
        orientation: exif turns images as they say, stored leaves them as they lie; one whose annotation gives the other
            size is taken as the annotation saw it.
    """
    refuse_test_data(dataset, split or "")
    entry = data_set(dataset)
    if root is None:
        raise ConfigError(f"where does {dataset} lie? give --root; it expects {entry.layout}")
    if jobs is not None and jobs < 1:
        raise ConfigError(f"jobs is {jobs}; give 1 or more processes")
    chosen = entry.splits[0] if split is None else split
    folder = Path("shards") / dataset if out is None else out
    check_outputs({"--out": folder}, [root])
    settings = read_config(
        Preparation,
        {
            "crop_size": crop_size,
            "quality": quality,
            "shard_size": shard_size,
            "longest": longest,
            "spread": spread,
            "every": every,
            "windows": windows,
            "seed": seed,
            "filters": asdict(filters),
            "orientation": orientation,
        },
        "options",
    )
    if _is_finished(folder, entry, chosen, settings):
        print(f"{folder} was finished before and stays as it is; to cut it anew, choose another --out or remove it")
    else:
        _cut(entry, root, chosen, settings, folder, jobs or os.cpu_count() or 1)
    print(report(folder))


def _is_finished(folder: Path, entry: DataSet, split: str, settings: Preparation) -> bool:
    """Whether the folder holds the whole result already; takes it for these arguments if no shard is in it.

    Raises:
        ConfigError: if it belongs to other arguments.
        DatasetError: if it cannot be written.
    """
    arguments = {"data_set": entry.name, "split": split, **asdict(settings)}
    path = folder / ARGUMENTS
    if path.is_file() and any(folder.glob("*.tar")):
        usual = {"orientation": DEFAULTS.orientation, "spread": DEFAULTS.spread}  # older ones do not say
        earlier = {**usual, **json.loads(path.read_text())}
        differing = [f"{key} is {now!r}, was {before!r}" for key, now, before in _differences(arguments, earlier)]
        if differing:
            raise ConfigError(f"{folder} was begun with other arguments: {'; '.join(differing)}; choose another --out")
    else:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(arguments, indent=2))
        except OSError as error:
            raise DatasetError(f"{folder} cannot be written: {error.strerror or error}") from error
    return (folder / INDEX).is_file()


def _differences(now: dict[str, Any], before: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Names and values of what differs, by the names of the options."""
    for key in sorted(now.keys() | before.keys()):
        new, old = now.get(key), before.get(key)
        if isinstance(new, dict) and isinstance(old, dict):
            yield from ((f"{key}.{inner}", *both) for inner, *both in _differences(new, old))
        elif new != old:
            yield key, new, old


def _cut(entry: DataSet, root: Path, split: str, settings: Preparation, folder: Path, jobs: int) -> None:
    """Plan, cut what is not cut yet, and write the index.

    Raises:
        DatasetError: if there is nothing to cut, or no room for it.
    """
    kind: Kind = "photographs" if entry.name == PHOTOGRAPHS else entry.kind
    info = SetInfo(str(folder), entry.name, kind, settings.crop_size, settings.every)
    left = LeftOut()
    found = entry.read(root, split, left.read)
    rates: set[float] = set()
    items = (replace(item, orientation=settings.orientation) for item in _noting_rates(found, rates))
    chunks = plan(tqdm(items, desc="planning", unit="item", disable=None), kind, root, settings, left)
    records = {chunk.number: record for chunk in chunks if (record := read_record(folder, chunk))}
    info = replace(info, rate=rates.pop() if len(rates) == 1 else None)
    waiting = [chunk for chunk in chunks if chunk.number not in records]
    total, rest = (sum(chunk.frames for chunk in some) for some in (chunks, waiting))
    with tqdm(total=total, initial=total - rest, desc="cutting", unit="frame", disable=None) as bar:
        for chunk, record in cut_all(waiting, folder, info, settings, jobs):
            records[chunk.number] = record
            bar.update(chunk.frames)
    done = [records[chunk.number] for chunk in chunks]
    shards = tuple(record.shard for record in done if record.shard)
    _sum_up(done, left)
    if not shards:
        reasons = "; ".join(left.read.lines() + left.frames.lines())
        raise DatasetError(f"nothing of {entry.name} under {root} is left to train on: {reasons}")
    arguments = {"split": split, **asdict(settings)}
    try:
        write_index(folder, PreparedSet(info, shards), {"arguments": arguments, "left_out": left.to_json()})
    except OSError as error:
        raise DatasetError(f"{folder / INDEX} cannot be written: {error.strerror or error}; all shards stay") from error
    for chunk in chunks:
        record_path(folder, chunk).unlink()
    for unfinished in folder.glob(f"*{UNFINISHED}"):  # of runs that were killed
        unfinished.unlink(missing_ok=True)


def _noting_rates(items: Iterable[Sequence | Still], rates: set[float]) -> Iterator[Sequence | Still]:
    """The items, whose frame rates are gathered on the way."""
    for item in items:
        if isinstance(item, Sequence):
            rates.add(item.rate)
        yield item


def cut_all(
    chunks: list[Chunk], folder: Path, info: SetInfo, settings: Preparation, jobs: int
) -> Iterator[tuple[Chunk, Record]]:
    """What becomes of the chunks, in any order.

    Raises:
        DatasetError: if a shard cannot be written, or a process that cuts is killed.
    """
    if jobs == 1 or len(chunks) < 2:
        for chunk in chunks:
            yield chunk, cut_chunk(chunk, folder, info, settings)
        return
    import joblib

    tasks = (joblib.delayed(_numbered)(chunk, folder, info, settings) for chunk in chunks)
    by_number = {chunk.number: chunk for chunk in chunks}
    try:
        for number, record in joblib.Parallel(n_jobs=min(jobs, len(chunks)), return_as="generator_unordered")(tasks):
            yield by_number[number], record
    except BrokenExecutor:
        raise DatasetError(
            "a process that was cutting has been killed, perhaps for want of memory; the shards that are finished "
            "stay: give the same command again to go on, with fewer --jobs"
        ) from None


def _numbered(chunk: Chunk, folder: Path, info: SetInfo, settings: Preparation) -> tuple[int, Record]:
    return chunk.number, cut_chunk(chunk, folder, info, settings)


def _sum_up(records: list[Record], left: LeftOut) -> None:
    """Add to ``left`` what was left out while cutting."""
    kept = {track for record in records if record.shard for track in record.shard.tracks}
    lost: dict[str, str] = {}
    for record in records:
        left.frames.merge(record.left.frames)
        lost.update({track: reason for track, reason in record.lost if track not in kept})
    for track, reason in lost.items():
        left.tracks.add(reason, track)


def report(folder: Path) -> str:
    """What a prepared data set holds, and what was left out and why, as a table and lines.

    Raises:
        DatasetError: if the folder holds no finished data set.
    """
    prepared, content = open_prepared(folder), read_index(folder)
    left = LeftOut.from_json(content["left_out"])
    rows = [["kept", f"{prepared.tracks:,}", f"{prepared.frames:,}"]]
    for reason in sorted(left.frames.counts, key=left.frames.counts.__getitem__, reverse=True):
        rows.append([reason, f"{left.tracks.counts[reason]:,}", f"{left.frames.counts[reason]:,}"])
    lines = [
        f"{content['data_set']}: {_counted(len(prepared.shards), 'shard')}, "
        f"{_counted(content['samples'], 'sample')}, "
        f"{prepared.size / 1e6:,.0f} MB in {folder}",
        "",
        markdown(["", "tracks", "frames"], rows),
    ]
    named = left.read.lines() + [line for line in left.frames.lines() if UNREADABLE in line]
    return "\n".join(lines + (["", *named] if named else []))


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
