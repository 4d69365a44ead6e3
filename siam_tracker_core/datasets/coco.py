"""Reader for photographs in COCO's form, in two layouts.

COCO's own::

    annotations/instances_train2017.json
    train2017/000000000009.jpg              or images/train2017/...

and one folder by itself::

    instances.json
    images/any_name.jpg

Boxes are ``x, y, width, height`` with the left edge of the first pixel at 0 (cocodataset.org, "format data"), which is
this package's convention too. Crowds (``iscrowd``) are left out with their run-length masks; the polygons of the others
become ``Still.masks``.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets.inside import inside_image
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.types import Still
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.geometry import within_reach

logger = logging.getLogger(__name__)

Polygons = tuple[NDArray[np.float64], ...]


def read_stills(root: str | Path, annotations: str = "instances.json") -> list[Still]:
    """Read all photographs of a folder that have at least one box; crowds are left out.

    Boxes and photographs that cannot be taken are logged as a warning.

    Raises:
        DatasetError: if the file is missing, is not of COCO's form, or holds no box.
    """
    root, skipped = Path(root), Skipped()
    stills = list(_stills(root / annotations, root / "images", skipped))
    for line in skipped.lines():
        logger.warning("%s: %s", root, line)
    return stills


def iterate_folder(root: Path, split: str, skipped: Skipped) -> Iterator[Still]:
    """The photographs of ``images/`` beside ``instances.json`` that have at least one box.

    Raises:
        DatasetError: if the file is missing, is not of COCO's form, or holds no box.
    """
    return _stills(root / "instances.json", root / "images", skipped)


def iterate(root: Path, split: str, skipped: Skipped) -> Iterator[Still]:
    """The photographs of one split in COCO's own layout that have at least one box.

    The whole JSON file is read before the first photograph is given, since its annotations are in no order.

    Args:
        root: holds ``annotations/`` and the images' folder.
        split: such as ``train2017``.
        skipped: collects annotations without a valid box, boxes outside their image, and the like.

    Raises:
        DatasetError: if file or folder is missing, is not of COCO's form, or holds no box.
    """
    images = next((folder for folder in (root / split, root / "images" / split) if folder.is_dir()), None)
    if images is None:
        raise DatasetError(f"{root / split} is not a folder; expected COCO's images in it, or in {root}/images/{split}")
    yield from _stills(root / "annotations" / f"instances_{split}.json", images, skipped)


def _stills(path: Path, images: Path, skipped: Skipped) -> Iterator[Still]:
    """The photographs of one instances file, in the order of their identifiers; see ``iterate``."""
    known, objects = _grouped(path, images, skipped)
    for identifier, found in objects.items():
        if identifier not in known:
            skipped.add("annotations of an unknown image", f"{path}, image {identifier}")
            continue
        still = _still(images, known[identifier], found, skipped)
        if still is not None:
            yield still
    for identifier, image in known.items():
        if identifier not in objects:
            skipped.add("photograph without a box", images / image["file_name"])


def _grouped(path: Path, images: Path, skipped: Skipped) -> tuple[dict[Any, Any], dict[Any, list[Any]]]:
    """The images of a file by identifier, and for each identifier, in order, its annotations with a valid box."""
    if not path.is_file():
        raise DatasetError(f"{path} does not exist; expected a COCO instances file for the images in {images}")
    objects: dict[Any, list[Any]] = defaultdict(list)
    try:
        with path.open("rb") as file:
            content = json.load(file)
        known = {image["id"]: image for image in content["images"] if isinstance(image["file_name"], str)}
        for annotation in content["annotations"]:
            if annotation.get("iscrowd"):
                continue
            if "image_id" in annotation and _is_box(annotation.get("bbox")):
                objects[annotation["image_id"]].append(annotation)
            else:
                skipped.add("annotation without an image or a valid box", f"{path}, annotation {annotation.get('id')}")
        objects = dict(sorted(objects.items()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{path} is not a COCO instances file: {error!r}") from error
    if not objects:
        raise DatasetError(f"{path} holds no box")
    return known, objects


def _is_box(values: Any) -> bool:
    """Whether these are four finite numbers with an extent."""
    if not isinstance(values, list) or len(values) != 4:
        return False
    if not all(isinstance(value, (int, float)) for value in values) or not within_reach(values):
        return False
    return bool(values[2] > 0 and values[3] > 0)


def _still(images: Path, image: dict[str, Any], annotations: list[Any], skipped: Skipped) -> Still | None:
    """One photograph with its boxes inside the image, or None where none is left."""
    path = images / image["file_name"]
    boxes = np.array([annotation["bbox"] for annotation in annotations], dtype=np.float64)
    size = _size(image.get("width"), image.get("height"))
    if size is not None:
        boxes = inside_image(boxes, *size)
    keep = np.flatnonzero(~np.isnan(boxes[:, 0]))
    for _ in range(len(boxes) - len(keep)):
        skipped.add("box outside its image", path)
    if not len(keep):
        skipped.add("photograph without a box", path)
        return None
    masks = tuple(_polygons(annotations[number].get("segmentation")) for number in keep)
    return Still(path, boxes[keep], masks if any(masks) else None, size=size)


def _size(width: Any, height: Any) -> tuple[int, int] | None:
    """The sides of an image in pixels, or None where they are not two whole numbers that an image can have."""
    if not isinstance(width, int) or not isinstance(height, int) or not within_reach([width, height]):
        return None
    return (width, height) if min(width, height) > 0 else None


def _polygons(segmentation: Any) -> Polygons | None:
    """COCO's lists of ``x1, y1, x2, y2, ...`` as arrays of corners; None for a run-length mask or none at all."""
    if not isinstance(segmentation, list):
        return None
    try:
        flat = [np.asarray(points, dtype=np.float64) for points in segmentation]
    except (TypeError, ValueError):
        return None
    whole = tuple(
        points.reshape(-1, 2)
        for points in flat
        if points.ndim == 1 and len(points) >= 6 and len(points) % 2 == 0 and np.isfinite(points).all()
    )
    return whole or None
