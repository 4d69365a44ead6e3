"""Reader for DAVIS 2016 and 2017: masks of objects in short videos, turned into boxes.

Perazzi et al. (CVPR 2016) and Pont-Tuset et al. (arXiv 1704.00675). The folder holds ``JPEGImages/480p/bear/00000.jpg
...``, ``Annotations/480p/bear/00000.png ...`` and ``ImageSets/2016`` and ``ImageSets/2017`` with ``train.txt`` and
``val.txt``, one video a line. The masks are PNGs with a palette: a pixel's index is its object, 0 the background and
255 undecided.

DAVIS 2016 has one object a video: all that is not background. Its own older package is read too, with masks of 0 and
255 and with ``ImageSets/480p/train.txt``, whose lines are pairs of an image and a mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from siam_tracker_core.datasets.exclusions import allowed_sequences
from siam_tracker_core.datasets.images import list_images
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.files import read_text

RATE = 24.0
SPLITS = ("2017-train", "2017-val", "2016-train", "2016-val")
_UNDECIDED = 255


def iterate(root: Path, split: str, skipped: Skipped) -> Iterator[Sequence]:
    """The objects of a split, one video after the other; malformed videos are left out.

    Args:
        root: the folder that holds ``JPEGImages``, ``Annotations`` and ``ImageSets``.
        split: one of ``SPLITS``.
        skipped: takes what was left out.

    Raises:
        DatasetError: if the split is unknown, or its list is missing or empty.
    """
    videos, year = _listed(root, split), split[:4]
    yield from allowed_sequences("davis", videos, lambda video: _read(root, video, year), skipped)


def read_davis(root: str | Path, split: str = "2017-val") -> list[Sequence]:
    """Read all objects of a split.

    Returns:
        One sequence an object, ``bear.1`` in 2017 and ``bear`` in 2016, which begins with the first frame that shows
        the object; the box bounds all of the object's pixels, NaN where there is none.

    Raises:
        DatasetError: if the split is unknown, its list is missing or empty, or a video is missing or malformed.
    """
    root = Path(root)
    return [sequence for video in _listed(root, split) for sequence in _read(root, video, split[:4])]


def _listed(root: Path, split: str) -> list[str]:
    if split not in SPLITS:
        raise DatasetError(f"DAVIS has no split {split!r}; it has {', '.join(SPLITS)}")
    year, part = split.split("-")
    places = [root / "ImageSets" / year / f"{part}.txt"]
    if year == "2016":
        places.append(root / "ImageSets" / "480p" / f"{part}.txt")
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise DatasetError(f"{places[0]} does not exist; expected DAVIS's list of videos, one name a line")
    lines = [line.split()[0] for line in read_text(path).splitlines() if line.strip()]
    videos = [Path(line).parent.name if "/" in line else line for line in lines]
    if not videos:
        raise DatasetError(f"{path} is empty; expected DAVIS's list of videos, one name a line")
    return list(dict.fromkeys(videos))


def _read(root: Path, video: str, year: str) -> list[Sequence]:
    frames = list_images(root / "JPEGImages" / "480p" / video)
    masks = list_images(root / "Annotations" / "480p" / video)
    if [path.stem for path in frames] != [path.stem for path in masks]:
        raise DatasetError(
            f"{video}: {len(frames)} images in {frames[0].parent} but {len(masks)} masks in {masks[0].parent}, or "
            "other names; each image needs a mask of its name"
        )
    boxes = _object_boxes(masks, whole=year == "2016")
    if not boxes:
        raise DatasetError(f"{masks[0].parent}: no mask shows an object")
    return [
        _from_first_sight(Sequence(video if year == "2016" else f"{video}.{label}", frames, rows, RATE))
        for label, rows in sorted(boxes.items())
    ]


def _object_boxes(masks: tuple[Path, ...], whole: bool) -> dict[int, NDArray[np.float64]]:
    """The boxes of each object by its index: float64 (masks, 4), NaN where it cannot be seen."""
    boxes: dict[int, NDArray[np.float64]] = {}
    for number, path in enumerate(masks):
        mask = _read_mask(path)
        labels = (mask > 0).astype(np.uint8) if whole else np.where(mask == _UNDECIDED, 0, mask)
        for label in np.flatnonzero(np.bincount(labels.ravel(), minlength=1)[1:]) + 1:
            rows = boxes.setdefault(int(label), np.full((len(masks), 4), np.nan))
            rows[number] = cv2.boundingRect((labels == label).astype(np.uint8))
    return boxes


def _read_mask(path: Path) -> NDArray[np.uint8]:
    """The indices of a mask, uint8 (H, W); OpenCV would give the palette's colours."""
    try:
        with Image.open(path) as image:
            mask = np.asarray(image)
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise DatasetError(f"{path} is not a readable image: {error}") from error
    if mask.ndim != 2:
        raise DatasetError(f"{path} has {mask.shape[2]} channels; expected a mask with a palette or of one channel")
    return mask.astype(np.uint8)


def _from_first_sight(sequence: Sequence) -> Sequence:
    return sequence.part(int(np.argmax(~np.isnan(sequence.boxes[:, 0]))), len(sequence))
