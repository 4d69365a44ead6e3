"""How good labels are, where a truth is known."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from siam_tracker_core.datasets.otb_form import GROUND_TRUTH, read_rectangles
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.geometry import iou
from siam_tracker_core.labelling.writing import QUALITY


@dataclass(frozen=True)
class Agreement:
    """Labels of one track beside the truth.

    Attributes:
        name: of the track.
        frames: that have a label and a truth.
        overlap: mean IoU in these, 0..1.
        half, seven: shares of these with an IoU of at least 0.5, and 0.7.
        of: frames of the video that have a truth.
    """

    name: str
    frames: int
    overlap: float
    half: float
    seven: float
    of: int


def compare(out: Path, tracks: Sequence[str], truth: Path) -> list[Agreement]:
    """Labels beside the truth of the videos they were made of.

    Args:
        out: folder of the labels.
        tracks: names of tracks.
        truth: folder of sequences in OTB's form with the names of the videos.

    Raises:
        DatasetError: if a truth is missing or has too few lines.
    """
    return [_compare(out / name, truth / name.rpartition(".")[0] / GROUND_TRUTH) for name in tracks]


def _compare(folder: Path, path: Path) -> Agreement:
    truth, labels = read_rectangles(path), read_rectangles(folder / GROUND_TRUTH)
    with (folder / QUALITY).open(newline="") as file:
        frames = np.array([int(row["frame"]) for row in csv.DictReader(file)])
    if frames.max() >= len(truth):
        raise DatasetError(f"{path} has {len(truth)} lines, but {folder.name} has a label for frame {frames.max()}")
    overlaps = iou(labels, truth[frames])
    known = overlaps[~np.isnan(overlaps)]
    mean, half, seven = (
        float(np.mean(values)) if len(known) else 0.0 for values in (known, known >= 0.5, known >= 0.7)
    )
    of = int((~np.isnan(truth).any(axis=1)).sum())
    return Agreement(folder.name, len(known), mean, half, seven, of)
