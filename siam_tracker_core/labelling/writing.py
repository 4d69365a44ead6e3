"""Labels on the disk: a folder in OTB's form a track, with the quality of each label, whole or not at all."""

from __future__ import annotations

import csv
import math
import shutil
from collections.abc import Mapping
from pathlib import Path

from siam_tracker_core.datasets.otb_form import GROUND_TRUTH
from siam_tracker_core.labelling.both_ways import NOT_REACHED, Label
from siam_tracker_core.labelling.footage import Footage

QUALITY = "quality.csv"
QUALITY_COLUMNS = ("frame", "image", "overlap", "score", "kept", "why_not")
UNFINISHED = ".unfinished"


def write_track(folder: Path, footage: Footage, labels: Mapping[int, Label]) -> None:
    """Write a track from its first label that is kept to its last, ``nan`` in between where one is not.

    Beside ``img/`` and ``groundtruth_rect.txt`` lies ``quality.csv``, a line for each image: the frame of the video
    (from 0), the image, the IoU of both directions, the lower score, whether the label is kept, and why not.

    Args:
        folder: of the track; replaced if it is there.
        footage: the video.
        labels: by frame; at least one is kept.

    Raises:
        OSError: if the disk is full or the folder cannot be written; nothing is left then.
    """
    kept = [index for index, label in labels.items() if label.kept]
    unfinished = folder.with_name(f".{folder.name}{UNFINISHED}")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        (unfinished / "img").mkdir(parents=True)
        truth, quality = [], []
        for index in range(min(kept), max(kept) + 1):
            image = f"{index + 1:06d}{footage.frames[index].suffix.lower()}"
            footage.hand_out(index, unfinished / "img" / image)
            label = labels.get(index)
            truth.append(_line(label))
            quality.append([index, image, *_quality(label)])
        (unfinished / GROUND_TRUTH).write_text("\n".join(truth) + "\n", encoding="ascii")
        with (unfinished / QUALITY).open("w", newline="", encoding="ascii") as file:
            csv.writer(file).writerows([QUALITY_COLUMNS, *quality])
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _line(label: Label | None) -> str:
    if label is None or not label.kept:
        return "nan,nan,nan,nan"
    box = label.box  # one-based, as OTB's files are
    return f"{box.x + 1:.2f},{box.y + 1:.2f},{box.width:.2f},{box.height:.2f}"


def _quality(label: Label | None) -> tuple[str, str, str, str]:
    if label is None:
        return "", "", "no", NOT_REACHED
    score = "" if math.isnan(label.score) else f"{label.score:.3f}"
    return f"{label.overlap:.3f}", score, "yes" if label.kept else "no", label.reason
