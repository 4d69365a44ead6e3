"""Reader for the Object Tracking Benchmark: OTB-2013 (51 targets), OTB-50 and OTB-2015 (100 targets).

Wu, Lim, Yang, "Object Tracking Benchmark" (PAMI 2015). The folder holds one folder a video, as the benchmark's site
packs them: ``Basketball/img/0001.jpg ...`` beside ``Basketball/groundtruth_rect.txt``. What is special:

- Jogging and Skating2 have two targets, ``groundtruth_rect.1.txt`` and ``groundtruth_rect.2.txt``; of Human4 only the
  second counts, its ``groundtruth_rect.1.txt`` is empty. Targets are named ``Jogging.1`` as on the benchmark's site. A
  folder a target (``Jogging-1``), as jwlim/tracker_benchmark has it, is read as well.
- A few annotations cover a part of the frames (``RANGES``); the images of others do not begin with number 1.
- Lines are separated by commas, tabs or spaces, in one file even mixed.
- Every frame counts. Where a line says ``0,0,0,0`` (the last of Board and of Twinnings) no tracker can be right, and
  the frame counts as missed, as in got10k's toolkit.
- Tiger1 is taken whole, as in got10k (``got10k/datasets/otb.py``), 354 frames. PySOT and PyTracking leave out its first
  five, following a list of the 2013 toolkit that the paper of 2015 does not use.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from siam_tracker_core.datasets.benchmark_files import (
    missed_where_invalid,
    missing_parts,
    read_table,
    with_extent,
    words,
)
from siam_tracker_core.datasets.images import list_images
from siam_tracker_core.datasets.otb_form import GROUND_TRUTH, read_rectangles
from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import DatasetError

Version = Literal["otb2013", "otb50", "otb2015"]
ATTRIBUTES = ("IV", "SV", "OCC", "DEF", "MB", "FM", "IPR", "OPR", "OV", "BC", "LR")
# First and last number of the images that are annotated. got-10k/toolkit got10k/datasets/otb.py; the numbers of the
# BlurCars, whose images begin there, from visionml/pytracking pytracking/evaluation/otbdataset.py.
RANGES = {
    "BlurCar1": (247, 988),
    "BlurCar3": (3, 359),
    "BlurCar4": (18, 397),
    "David": (300, 770),
    "Diving": (1, 215),
    "Football1": (1, 74),
    "Freeman3": (1, 460),
    "Freeman4": (1, 283),
}


def targets(version: Version = "otb2015") -> tuple[str, ...]:
    """The names of a version's targets."""
    table = read_table("otb")
    return tuple(table["attributes"] if version == "otb2015" else table[version])


def read_otb(root: str | Path, version: Version = "otb2015") -> list[Sequence]:
    """Read all targets of a version of OTB.

    Args:
        root: the folder that holds the videos' folders; upper and lower case do not matter in their names.
        version: which targets.

    Returns:
        One sequence a target, with its attributes out of ``ATTRIBUTES``.

    Raises:
        DatasetError: if targets are missing, all of which are named, or one is malformed.
    """
    root = Path(root)
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder; expected OTB's videos in it, such as Basketball/{GROUND_TRUTH}")
    folders = {path.name.lower(): path for path in root.iterdir() if path.is_dir()}
    names = targets(version)
    truths = {name: _truth(folders, name) for name in names}
    missing = [f"{name} ({'/'.join(_places(name)[0])})" for name, truth in truths.items() if truth is None]
    if missing:
        raise missing_parts(version, root, len(names), missing)
    return [_read(name, truth) for name, truth in truths.items() if truth is not None]


def _places(name: str) -> list[tuple[str, str]]:
    """Where a target's truth may lie: folder and file, the usual place first."""
    folder, _, number = name.partition(".")
    if not number:
        return [(folder, GROUND_TRUTH)]
    numbered = f"groundtruth_rect.{number}.txt"
    return [(folder, numbered), (f"{folder}-{number}", numbered), (f"{folder}-{number}", GROUND_TRUTH)]


def _truth(folders: dict[str, Path], name: str) -> Path | None:
    places = (folders[folder.lower()] / file for folder, file in _places(name) if folder.lower() in folders)
    return next((place for place in places if place.is_file()), None)


def _read(name: str, truth: Path) -> Sequence:
    images = list_images(truth.parent / "img")
    if name in RANGES:
        images = _numbered(images, *RANGES[name])
    boxes = missed_where_invalid(read_rectangles(truth))
    if len(images) != len(boxes):
        part = " from number {} to {}".format(*RANGES[name]) if name in RANGES else ""
        raise DatasetError(
            f"{truth.parent}: {len(images)} images{part} but {len(boxes)} lines in {truth.name}; they must agree"
        )
    attributes = words(read_table("otb")["attributes"][name])
    return Sequence(name, images, boxes, attributes=attributes, visibility=with_extent(boxes).astype(np.float64))


def _numbered(images: tuple[Path, ...], first: int, last: int) -> tuple[Path, ...]:
    return tuple(image for image in images if image.stem.isdecimal() and first <= int(image.stem) <= last)
