"""Reader for GOT-10k: 9335 short videos of many classes to train on, 180 to validate on, at 10 frames a second.

Huang, Zhao, Huang, "GOT-10k: A Large High-Diversity Benchmark for Generic Object Tracking in the Wild" (PAMI 2019). The
folder holds ``train``, ``val`` and ``test``, each with ``list.txt`` and folders such as ``GOT-10k_Train_000001`` with
``00000001.jpg ...``, ``groundtruth.txt`` (one line ``x,y,width,height`` a frame; one-based, says got-10k/toolkit issue
6), ``absence.label`` (1 where the target is absent), ``cover.label`` (0..8, how much of it is seen),
``cut_by_image.label`` (1 where the image's border cuts it) and ``meta_info.ini``.

The split ``test`` has only the first box of each video, its truth is on the benchmark's server; it is not read here.
Videos of ``train`` and ``val`` are often cut from one film, so ``val`` is no independent test of what was trained on
``train``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from siam_tracker_core.datasets.benchmark_files import missed_where_invalid, missing_parts, read_labels, with_extent
from siam_tracker_core.datasets.exclusions import allowed_sequences
from siam_tracker_core.datasets.images import list_images
from siam_tracker_core.datasets.otb_form import read_rectangles
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.files import read_text

RATE = 10.0
# The middle of what each level of cover.label stands for, as the data set's site says: 0, (0, 15 %], (15, 30 %], ...,
# (75, 90 %], (90, 100 %), 100 %.
COVER_SHARES = np.array([0.0, 0.075, 0.225, 0.375, 0.525, 0.675, 0.825, 0.95, 1.0])


def read_got10k(root: str | Path) -> list[Sequence]:
    """Read the 180 validation videos, which the toolkit scores like a test set.

    The target is absent, and its frame counts for nothing, where it is wholly covered
    (``got10k/experiments/got10k.py``).

    Raises:
        DatasetError: if videos are missing, all of which are named, or one is malformed.
    """
    folder = Path(root) / "val"
    names = _listed(folder)
    missing = [f"{name} (val/{name})" for name in names if not (folder / name).is_dir()]
    if missing:
        raise missing_parts("GOT-10k's val", Path(root), len(names), missing)
    return [_read(folder / name, testing=True) for name in names]


def iterate(root: Path, split: str, skipped: Skipped) -> Iterator[Sequence]:
    """The videos of ``train`` or ``val``, one after the other; missing and malformed ones are left out.

    Raises:
        DatasetError: if the list is missing or empty, or for another split.
    """
    if split not in ("train", "val"):
        raise DatasetError(f"GOT-10k has no split {split!r} with truth; it has train and val")
    folder = root / split
    yield from allowed_sequences("got10k", _listed(folder), lambda name: [_read(folder / name)], skipped)


def _listed(folder: Path) -> list[str]:
    path = folder / "list.txt"
    if not path.is_file():
        raise DatasetError(f"{path} does not exist; expected GOT-10k's list of videos, one name a line")
    names = read_text(path).split()
    if not names:
        raise DatasetError(f"{path} is empty; expected GOT-10k's list of videos, one name a line")
    return names


def _read(folder: Path, testing: bool = False) -> Sequence:
    frames = list_images(folder)
    boxes = read_rectangles(folder / "groundtruth.txt")
    if len(frames) != len(boxes):
        raise DatasetError(f"{folder}: {len(frames)} images but {len(boxes)} lines in groundtruth.txt; they must agree")
    absent = read_labels(folder / "absence.label", len(boxes)) > 0
    cover = read_labels(folder / "cover.label", len(boxes), greatest=len(COVER_SHARES) - 1)
    cut = read_labels(folder / "cut_by_image.label", len(boxes)) > 0
    absent |= cover == 0
    boxes = missed_where_invalid(boxes, absent) if testing else np.where(absent[:, None], np.nan, boxes)
    return Sequence(
        folder.name,
        frames,
        boxes,
        rate=_rate(folder / "meta_info.ini"),
        visibility=np.where(with_extent(boxes), COVER_SHARES[cover], 0.0),
        tags={"cut_by_image": cut},
    )


def _rate(path: Path) -> float:
    """Frames a second, as ``anno_fps: 10Hz`` says."""
    found = re.search(r"^anno_fps:\s*(\d+(?:\.\d+)?)\s*Hz", read_text(path), re.MULTILINE) if path.is_file() else None
    return RATE if found is None else float(found[1])
