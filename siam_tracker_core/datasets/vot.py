"""Reader for VOT's short-term data sets, in the form of the challenges' archives and of vot-toolkit's workspaces.

A root holds ``list.txt`` (a sequence's folder a line) and the folders; a vot-toolkit workspace holds them in
``sequences``. A folder holds ``groundtruth.txt`` (a region a line), the frames ``00000001.jpg ...`` beside it or in
``color``, and, where the data set has them, labels of frames: ``occlusion.tag`` and the like, with a 1 or 0 a line
(``.label`` in the older sets). A newer folder also has a file ``sequence`` of ``key=value`` lines that says where the
frames are and how many a second there are.

Coordinates are taken as they are: vot-toolkit counts pixels from zero and covers ``x .. x + width`` with a rectangle
(votchallenge/toolkit:vot/region/raster.py), which is this package's convention too. Corners of polygons are taken as
points of the same plane.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siam_tracker_core.datasets.images import list_images
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.files import naturally, read_text
from siam_tracker_core.geometry import within_reach

FloatArray = NDArray[np.float64]

LIST = "list.txt"
GROUND_TRUTH = "groundtruth.txt"
PROPERTIES = "sequence"
UNASSIGNED = "unassigned"
DEFAULT_RATE = 30.0  # votchallenge/toolkit:vot/dataset/common.py, where a sequence does not say
_PATTERN = "%08d.jpg"


def read_vot(root: str | Path) -> list[Sequence]:
    """Read every sequence of a VOT data set, in the order of its ``list.txt``.

    Args:
        root: the folder with ``list.txt``, or a vot-toolkit workspace. Without ``list.txt`` every folder in it that
            has a ``groundtruth.txt`` is taken, in the order of their names.

    Raises:
        DatasetError: if there is no sequence, or one is missing or malformed.
    """
    return [read_vot_sequence(folder) for folder in sequence_folders(Path(root))]


def iterate(root: Path, split: str, skipped: Skipped) -> Iterator[Sequence]:
    """Every sequence of a VOT data set, one after the other; missing and malformed ones are left out.

    Raises:
        DatasetError: if there is no sequence at all.
    """
    for folder in sequence_folders(root):
        try:
            yield read_vot_sequence(folder)
        except DatasetError as error:
            skipped.add("malformed sequence", f"{folder.name}: {error}")


def sequence_folders(root: Path) -> list[Path]:
    """The folders of a data set's sequences.

    Raises:
        DatasetError: if ``root`` is no folder, or names or holds no sequence.
    """
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder; expected a VOT data set with {LIST} and a folder a sequence")
    if not (root / LIST).is_file() and (root / "sequences").is_dir():
        root = root / "sequences"
    if (root / LIST).is_file():
        folders = [root / line.strip() for line in _lines(root / LIST) if line.strip()]
        if not folders:
            raise DatasetError(f"{root / LIST} names no sequence; expected the name of a folder a line")
        return folders
    folders = naturally(path for path in root.iterdir() if (path / GROUND_TRUTH).is_file())
    if not folders:
        raise DatasetError(f"{root} holds no VOT sequence: it has no {LIST}, and no folder in it has a {GROUND_TRUTH}")
    return folders


def read_vot_sequence(folder: str | Path) -> Sequence:
    """Read one sequence.

    Rows of ``boxes`` are the rectangles, or, for polygons, ``axis_aligned_boxes`` of them. ``polygons`` is None if
    there are rectangles only, and else holds each frame's outline. ``tags`` holds what the label files say, and
    ``unassigned`` for the frames that none of them marks (VOT's "empty"). The target is absent where the line is
    ``nan``, a single code, or a region without extent.

    Raises:
        DatasetError: if frames or truth are missing or malformed, or their counts differ.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DatasetError(f"{folder} does not exist; expected the folder of a VOT sequence with {GROUND_TRUTH}")
    properties = _read_properties(folder / PROPERTIES)
    truth = folder / properties.get("groundtruth", GROUND_TRUTH)
    regions = read_regions(truth)
    frames = _frames(folder, properties)
    if len(frames) != len(regions):
        raise DatasetError(
            f"{folder}: {len(frames)} frames but {len(regions)} lines in {truth.name}; there must be one a frame"
        )
    boxes = _boxes(regions)
    return Sequence(
        folder.name,
        frames,
        boxes,
        rate=_rate(folder / PROPERTIES, properties),
        polygons=_polygons(regions, boxes),
        tags=_tags(folder, len(frames)),
    )


def read_regions(path: Path) -> list[FloatArray | None]:
    """Read a file with a region a line: float64 (4,) for a rectangle, (corners, 2) for a polygon, None for no target.

    Raises:
        DatasetError: if the file is missing, or a line is not a region.
    """
    if not path.is_file():
        raise DatasetError(f"{path} does not exist; expected a region a line: x,y,width,height or x1,y1,x2,y2,...")
    regions: list[FloatArray | None] = []
    lines = _lines(path)
    while lines and not lines[-1].strip():
        lines.pop()
    for number, line in enumerate(lines, start=1):
        try:
            region = parse_region(line)
        except ValueError as error:
            raise DatasetError(f"{path}, line {number}: {error}") from None
        regions.append(region if isinstance(region, np.ndarray) else None)
    return regions


def parse_region(text: str) -> FloatArray | float:
    """Understand one line of VOT's text form.

    Returns:
        float64 (4,) ``x, y, width, height``; float64 (corners, 2) of ``x, y`` for three corners or more; the number
        of a code, such as 1 in results; NaN where any number is NaN.

    Raises:
        ValueError: if the line is something else; the message says what.
    """
    text = text.strip()
    if text.startswith("m"):
        raise ValueError("a mask, as in VOT-2020 and later, is not supported; expected rectangles or polygons")
    try:
        numbers = [float(token) for token in re.split(r"[,;\s]+", text.strip(",; \t"))]
    except ValueError:
        raise ValueError(f"{text!r} is not numbers with commas between them") from None
    if any(math.isnan(number) for number in numbers):
        return math.nan
    if not within_reach(numbers):
        raise ValueError(f"{text!r} lies in no image; expected pixels, or nan where the target is absent")
    if len(numbers) == 1:
        return numbers[0]
    if len(numbers) == 4:
        return np.array(numbers)
    if len(numbers) >= 6 and len(numbers) % 2 == 0:
        return np.array(numbers).reshape(-1, 2)
    raise ValueError(f"{len(numbers)} numbers, expected 4 (x,y,width,height) or two for each corner of a polygon")


def axis_aligned_boxes(polygons: ArrayLike) -> FloatArray:
    """The upright boxes that stand for polygons: same mean corner, same area, sides in the bounding box's proportion.

    This is ``get_axis_aligned_bbox`` of PySOT and SiamDW (STVIR/pysot:pysot/utils/bbox.py,
    researchmm/SiamDW:lib/utils/utils.py): a polygon of four corners is taken for a rotated rectangle, whose area is
    the product of two neighbouring sides. They add 1 to both sides because they count pixels from the first to the
    last; here a box is edges, so its area is the polygon's. Other polygons keep their own area.

    Args:
        polygons: (..., corners, 2) of ``x, y`` in pixels.

    Returns:
        float64 (..., 4) ``x, y, width, height``; without extent where the polygon has none.
    """
    corners = np.asarray(polygons, dtype=np.float64)
    extent = np.ptp(corners, axis=-2)
    following = np.roll(corners, -1, axis=-2)
    if corners.shape[-2] == 4:
        sides = np.linalg.norm(following - corners, axis=-1)
        area = sides[..., 0] * sides[..., 1]
    else:
        doubled = corners[..., 0] * following[..., 1] - following[..., 0] * corners[..., 1]
        area = np.abs(doubled.sum(axis=-1)) / 2
    bounding = extent.prod(axis=-1)
    ratio = np.divide(area, bounding, out=np.zeros_like(area), where=bounding > 0)
    size = extent * np.sqrt(ratio)[..., None]
    return np.concatenate([corners.mean(axis=-2) - size / 2, size], axis=-1)


def box_corners(boxes: ArrayLike) -> FloatArray:
    """The corners of boxes (..., 4), clockwise on the screen from the top left: float64 (..., 4, 2)."""
    x, y, width, height = np.moveaxis(np.asarray(boxes, dtype=np.float64), -1, 0)
    columns = np.stack([x, x + width, x + width, x], axis=-1)
    rows = np.stack([y, y, y + height, y + height], axis=-1)
    return np.stack([columns, rows], axis=-1)


def _boxes(regions: list[FloatArray | None]) -> FloatArray:
    boxes = np.full((len(regions), 4), np.nan)
    for shape in {region.shape for region in regions if region is not None}:
        rows = [row for row, region in enumerate(regions) if region is not None and region.shape == shape]
        values = np.stack([regions[row] for row in rows])  # type: ignore[misc]
        boxes[rows] = values if shape == (4,) else axis_aligned_boxes(values)
    boxes[~(boxes[:, 2:] > 0).all(axis=1)] = np.nan
    return boxes


def _polygons(regions: list[FloatArray | None], boxes: FloatArray) -> tuple[FloatArray | None, ...] | None:
    if all(region is None or region.ndim == 1 for region in regions):
        return None
    return tuple(
        None if region is None or np.isnan(box).any() else (box_corners(region) if region.ndim == 1 else region)
        for region, box in zip(regions, boxes, strict=True)
    )


def _frames(folder: Path, properties: dict[str, str]) -> tuple[Path, ...]:
    channel = properties.get("channels.color")
    if channel is None:
        return list_images(folder / "color" if (folder / "color").is_dir() else folder)
    path = folder / channel
    if not path.suffix:
        path = path / _PATTERN
    if not path.parent.is_dir():
        raise DatasetError(f"{path.parent} is not a folder; {folder / PROPERTIES} says that the frames are there")
    there = {entry.name for entry in path.parent.iterdir()}
    frames: list[Path] = []
    try:
        while (name := path.name % (len(frames) + 1)) in there:
            frames.append(path.with_name(name))
    except (TypeError, ValueError):
        raise DatasetError(
            f"{folder / PROPERTIES}: channels.color={channel} is no pattern of file names; expected color/{_PATTERN}"
        ) from None
    if not frames:
        raise DatasetError(f"{path.with_name(path.name % 1)} does not exist; expected the first frame of {folder.name}")
    return tuple(frames)


def _read_properties(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    pairs = (line.partition("=") for line in _lines(path))
    return {key.strip(): value.strip() for key, separator, value in pairs if separator}


def _rate(path: Path, properties: dict[str, str]) -> float:
    text = properties.get("fps", str(DEFAULT_RATE))
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 < rate < math.inf:
        raise DatasetError(f"{path}: fps={text} is not a rate; expected frames a second, such as fps=30")
    return rate


def _tags(folder: Path, count: int) -> dict[str, NDArray[np.bool_]]:
    """The label files; what they leave off at the end is not marked, as in vot-toolkit."""
    tags: dict[str, NDArray[np.bool_]] = {}
    for path in naturally([*folder.glob("*.tag"), *folder.glob("*.label")]):
        marks = [line.strip() == "1" for line in _lines(path) if line.strip()]
        if len(marks) > count:
            raise DatasetError(f"{path} has {len(marks)} lines for {count} frames; expected one 1 or 0 a frame")
        tags[path.stem] = np.array(marks + [False] * (count - len(marks)), dtype=bool)
    if tags:
        tags.setdefault(UNASSIGNED, ~np.any(list(tags.values()), axis=0))
    return tags


def _lines(path: Path) -> list[str]:
    return read_text(path).splitlines()
