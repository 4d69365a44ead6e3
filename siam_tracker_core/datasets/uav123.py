"""Reader for UAV123 and UAV20L: videos from low-flying unmanned aircraft.

Mueller, Smith, Ghanem, "A Benchmark and Simulator for UAV Tracking" (ECCV 2016). The folder holds
``data_seq/UAV123/bird1/000001.jpg ...``, ``anno/UAV123/bird1_2.txt`` with one line ``x,y,width,height`` a frame,
one-based, ``NaN`` where the target is hidden or outside, and ``anno/UAV123/att/bird1_2.txt`` with twelve flags. Several
sequences are parts of one video; which part is in ``uav123.yaml``. UAV20L's long sequences lie in ``anno/UAV20L`` and
use the same images.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from siam_tracker_core.datasets.benchmark_files import missing_parts, read_labels, read_table
from siam_tracker_core.datasets.otb_form import read_rectangles
from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import DatasetError

# The order of the columns in the att files: attName of the toolkit's perfPlot.m, as in the header of the table in
# DatasetAnnotation.pdf. visionml/pytracking's UAV123_attributes.json has the same order.
ATTRIBUTES = ("SV", "ARC", "LR", "FM", "FOC", "POC", "OV", "BC", "IV", "VC", "CM", "SOB")


def read_uav123(root: str | Path, version: Literal["UAV123", "UAV20L"] = "UAV123") -> list[Sequence]:
    """Read the 123 sequences of UAV123, or the 20 of UAV20L.

    Args:
        root: the folder that holds ``data_seq`` and ``anno``.
        version: which sequences.

    Returns:
        One sequence a target, with its attributes out of ``ATTRIBUTES``, or none where the att file is not there.

    Raises:
        DatasetError: if sequences are missing, all of which are named, or one is malformed.
    """
    root = Path(root)
    parts: dict[str, tuple[str, int, int]] = read_table("uav123")[version]
    images, truths = root / "data_seq" / "UAV123", root / "anno" / version
    for folder, example in ((images, "bike1/000001.jpg"), (truths, "bike1.txt")):
        if not folder.is_dir():
            raise DatasetError(f"{folder} is not a folder; expected {example} and so on in it")
    places = {name: (truths / f"{name}.txt", images / folder) for name, (folder, _, _) in parts.items()}
    gaps = {name: [place for place in pair if not place.exists()] for name, pair in places.items()}
    missing = [f"{name} ({gap[0].relative_to(root).as_posix()})" for name, gap in gaps.items() if gap]
    if missing:
        raise missing_parts(version, root, len(parts), missing)
    listed = {folder: {path.name for path in (images / folder).iterdir()} for folder, _, _ in parts.values()}
    return [
        _read(name, images / folder, listed[folder], range(first, last + 1), truths)
        for name, (folder, first, last) in parts.items()
    ]


def _read(name: str, folder: Path, there: set[str], numbers: range, truths: Path) -> Sequence:
    files = [f"{number:06d}.jpg" for number in numbers]
    gaps = [file for file in files if file not in there]
    if gaps:
        raise DatasetError(f"{folder}: {len(gaps)} of the {len(files)} images of {name} are missing, first {gaps[0]}")
    boxes = read_rectangles(truths / f"{name}.txt")
    if len(boxes) != len(files):
        raise DatasetError(f"{truths / f'{name}.txt'} holds {len(boxes)} boxes; expected {len(files)}, one a frame")
    return Sequence(name, tuple(folder / file for file in files), boxes, attributes=_attributes(truths, name))


def _attributes(truths: Path, name: str) -> frozenset[str]:
    path = truths / "att" / f"{name}.txt"
    if not path.is_file():
        return frozenset()
    flags = read_labels(path, len(ATTRIBUTES))
    return frozenset(attribute for attribute, flag in zip(ATTRIBUTES, flags, strict=True) if flag)
