"""Reader for LaSOT: long videos of 70 classes, 1120 to train on and 280 to test on.

Fan et al., "LaSOT: A High-quality Benchmark for Large-scale Single Object Tracking" (CVPR 2019). The folder holds
``airplane/airplane-1/`` with ``img/00000001.jpg ...``, ``groundtruth.txt`` (one line ``x,y,width,height`` a frame;
one-based, says HengLan/LaSOT_Evaluation_Toolkit issue 14), ``full_occlusion.txt`` and ``out_of_view.txt`` (one line of
flags with commas, one a frame) and ``nlp.txt``. The test set alone is also packed without the classes' folders; both
are read.

Where the target is wholly occluded or out of view it is absent: NaN, and the frame counts for nothing, as in the
toolkit's ``calc_seq_err_robust.m``. A few frames have a box without extent though the target is there; in the test set
they count as missed, as in the toolkit, and in training the target is absent there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from siam_tracker_core.datasets.benchmark_files import (
    missed_where_invalid,
    missing_parts,
    read_labels,
    read_table,
    with_extent,
    words,
)
from siam_tracker_core.datasets.exclusions import allowed_sequences
from siam_tracker_core.datasets.images import list_images
from siam_tracker_core.datasets.otb_form import read_rectangles
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import DatasetError

ATTRIBUTES = ("IV", "POC", "DEF", "MB", "CM", "ROT", "BC", "VC", "SV", "FOC", "FM", "OV", "LR", "ARC")
# The toolkit evaluates the first frames only of this one (a remark in calc_seq_err_robust.m).
_LENGTHS = {"monkey-17": 2260}
_NAME = re.compile(r"([A-Za-z]+)-(\d+)")


def read_lasot_test(root: str | Path) -> list[Sequence]:
    """Read the 280 test videos, with their attributes out of ``ATTRIBUTES``.

    Raises:
        DatasetError: if videos are missing, all of which are named, or one is malformed.
    """
    root = Path(root)
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder; expected LaSOT's videos in it, such as airplane/airplane-1")
    table = read_table("lasot")
    folders = _folders(root)
    missing = [f"{name} ({name.split('-')[0]}/{name})" for name in table if name not in folders]
    if missing:
        raise missing_parts("LaSOT's test set", root, len(table), missing)
    return [_read(folders[name], words(entry), testing=True) for name, entry in table.items()]


def iterate(root: Path, split: str, skipped: Skipped) -> Iterator[Sequence]:
    """The training videos that are there, one after the other; test videos and malformed ones are left out.

    Raises:
        DatasetError: if there is no video at all, or for a split other than ``train``.
    """
    if split != "train":
        raise DatasetError(f"LaSOT has no split {split!r} to train on; it has train")
    folders = _folders(root)
    if not folders:
        raise DatasetError(f"{root} holds no video of LaSOT; expected airplane/airplane-1/groundtruth.txt and so on")
    yield from allowed_sequences("lasot", folders, lambda name: [_read(folders[name], frozenset())], skipped)


def _folders(root: Path) -> dict[str, Path]:
    """The videos' folders by name, ordered by class and number."""
    found = {}
    for truth in chain(root.glob("*-*/groundtruth.txt"), root.glob("*/*-*/groundtruth.txt")):
        match = _NAME.fullmatch(truth.parent.name)
        if match is not None:
            found[match[1], int(match[2])] = truth.parent
    return {folder.name: folder for _, folder in sorted(found.items())}


def _read(folder: Path, attributes: frozenset[str], testing: bool = False) -> Sequence:
    frames = list_images(folder / "img")
    boxes = read_rectangles(folder / "groundtruth.txt")
    tags = {label: read_labels(folder / f"{label}.txt", len(boxes)) > 0 for label in ("full_occlusion", "out_of_view")}
    absent = tags["full_occlusion"] | tags["out_of_view"]
    boxes = missed_where_invalid(boxes, absent) if testing else np.where(absent[:, None], np.nan, boxes)
    length = _LENGTHS.get(folder.name)
    if length is None and len(frames) != len(boxes):
        raise DatasetError(f"{folder}: {len(frames)} images but {len(boxes)} lines in groundtruth.txt; they must agree")
    return Sequence(
        folder.name,
        frames[:length],
        boxes[:length],
        attributes=attributes,
        visibility=with_extent(boxes[:length]).astype(np.float64),
        tags={label: values[:length] for label, values in tags.items()},
    )
