"""Reader for DTB70, the Drone Tracking Benchmark: 70 sequences in OTB's form.

Li, Yeung, "Visual Object Tracking for Unmanned Aerial Vehicles: A Benchmark and New Motion Models" (AAAI 2017). The
folder holds ``Animal1/img/00001.jpg ...`` beside ``Animal1/groundtruth_rect.txt``, and so on.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from siam_tracker_core.datasets.benchmark_files import missing_parts, read_table, words
from siam_tracker_core.datasets.otb_form import GROUND_TRUTH, read_sequence
from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import DatasetError

ATTRIBUTES = ("SV", "ARV", "OCC", "DEF", "FCM", "IPR", "OPR", "OV", "BC", "SOA", "MB")


def read_dtb70(root: str | Path) -> list[Sequence]:
    """Read the 70 sequences.

    Args:
        root: the folder that holds the sequences' folders.

    Returns:
        The sequences with their attributes out of ``ATTRIBUTES``.

    Raises:
        DatasetError: if sequences are missing, all of which are named, or one is malformed.
    """
    root = Path(root)
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder; expected DTB70's sequences in it, such as Animal1/{GROUND_TRUTH}")
    table = read_table("dtb70")
    missing = [f"{name} ({name}/{GROUND_TRUTH})" for name in table if not (root / name / GROUND_TRUTH).is_file()]
    if missing:
        raise missing_parts("DTB70", root, len(table), missing)
    return [replace(read_sequence(root / name), attributes=words(entry)) for name, entry in table.items()]
