"""Reader for photographs without boxes, which only pre-training uses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from siam_tracker_core.datasets.images import IMAGE_SUFFIXES
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.types import Still
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.files import naturally


def iterate(root: Path, split: str, skipped: Skipped) -> Iterator[Still]:
    """Every image under a folder, at any depth, as a photograph without boxes.

    Raises:
        DatasetError: if there is none.
    """
    paths = naturally(path for path in root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise DatasetError(f"{root} holds no image ({', '.join(sorted(IMAGE_SUFFIXES))})")
    for path in paths:
        yield Still(path, np.zeros((0, 4)))
