"""Reader for Deform-SOT: 50 videos of deforming targets.

Du et al., "Online Deformable Object Tracking Based on Structure-Aware Hyper-Graph" (TIP 2016). No description by the
authors was found. The layout is the one that a public reader expects (trackit by the authors of SwinTrack, as in
NorahGreen/DTPTrack trackit/datasets/SOT/datasets/Impl/DeformSOT.py): ``bolt/*.jpg`` beside
``Annotations/gt/bolt.txt`` with one line ``x,y,width,height`` a frame. That the boxes are one-based is a judgement.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from siam_tracker_core.datasets.exclusions import allowed_sequences
from siam_tracker_core.datasets.images import list_images
from siam_tracker_core.datasets.otb_form import read_rectangles
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.files import naturally


def iterate(root: Path, split: str, skipped: Skipped) -> Iterator[Sequence]:
    """The videos, one after the other; malformed ones and those that OTB may hold are left out (see ``exclusions``).

    Raises:
        DatasetError: if there is no video at all.
    """
    truths = root / "Annotations" / "gt"
    names = [path.stem for path in naturally(truths.glob("*.txt"))]
    if not names:
        raise DatasetError(f"{truths} holds no truth; Deform-SOT has bolt.txt and so on there, beside bolt/ in {root}")
    yield from allowed_sequences(
        "deform-sot", names, lambda name: [_read(root / name, truths / f"{name}.txt")], skipped
    )


def _read(folder: Path, truth: Path) -> Sequence:
    frames = list_images(folder)
    boxes = read_rectangles(truth)
    if len(frames) != len(boxes):
        raise DatasetError(f"{folder}: {len(frames)} images but {len(boxes)} lines in {truth}; they must agree")
    return Sequence(folder.name, frames, boxes)
