"""Reader for PASCAL VOC 2007 and 2012, and for its annotation files, whose form other data sets share.

Layout (the development kits' own)::

    VOC2007/Annotations/000005.xml
    VOC2007/ImageSets/Main/trainval.txt
    VOC2007/JPEGImages/000005.jpg

``root`` is such a folder, or a ``VOCdevkit`` that holds several of them.

Corners count pixels from 1 and are inclusive (the kits' MATLAB code; endernewton/tf-faster-rcnn:lib/datasets/
pascal_voc.py subtracts 1 too): an ``xmin`` of 1 is the left edge, and ``xmax - xmin + 1`` the width.

Objects marked ``difficult`` are left out, as VOC's own evaluation ignores them: mostly they are tiny or cannot be told
without context. Objects marked ``truncated`` or ``occluded`` are kept: their boxes enclose what can be seen of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets.inside import inside_image
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.types import Still
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.files import naturally, read_text
from siam_tracker_core.geometry import within_reach


def read_objects(path: Path, origin: float, skipped: Skipped) -> list[tuple[Element, NDArray[np.float64]]] | None:
    """The objects of one annotation file with their boxes.

    Args:
        path: the XML file.
        origin: the coordinate of the first pixel: 1 in VOC, 0 in ILSVRC.
        skipped: collects objects without a valid box, and the file itself if it is malformed.

    Returns:
        Each ``object`` element with its box, float64 (4,) ``x, y, width, height`` in zero-based pixels, clipped to the
        image by ``inside_image`` where the file gives the image's size; None if the file is malformed.
    """
    try:
        annotation = ElementTree.fromstring(path.read_bytes())  # nosec B314
    except (ElementTree.ParseError, ValueError, LookupError, OSError):
        skipped.add("annotation file missing or malformed", path)
        return None
    elements, rows = [], []
    for element in annotation.iterfind("object"):
        row = _row(element, origin)
        if row is None:
            skipped.add("object without a valid box", path)
        else:
            elements.append(element)
            rows.append(row)
    if not rows:
        return []
    boxes = np.array(rows, dtype=np.float64)
    size = _image_size(annotation)
    if size is not None:
        boxes = inside_image(boxes, *size)
    taken = []
    for element, box in zip(elements, boxes, strict=True):
        if np.isnan(box[0]):
            skipped.add("box outside its image", path)
        else:
            taken.append((element, box))
    return taken


def _row(element: Element, origin: float) -> tuple[float, float, float, float] | None:
    """``x, y, width, height`` of an object's inclusive corners; None where they are missing or have no extent."""
    texts = [element.findtext(f"bndbox/{name}") for name in ("xmin", "ymin", "xmax", "ymax")]
    try:
        left, top, right, bottom = (float(text or "nan") for text in texts)
    except ValueError:
        return None
    width, height = right - left + 1, bottom - top + 1
    if not (within_reach([left, top, right, bottom]) and width > 0 and height > 0):
        return None
    return left - origin, top - origin, width, height


def _image_size(annotation: Element) -> tuple[float, float] | None:
    """Width and height that the file gives, or None where it gives none (or 0, as a few files of ILSVRC do)."""
    try:
        width, height = (float(annotation.findtext(f"size/{name}") or "nan") for name in ("width", "height"))
    except ValueError:
        return None
    return (width, height) if width >= 1 and height >= 1 else None


def is_marked(element: Element, flag: str) -> bool:
    """Whether an object carries a flag, such as ``<difficult>1</difficult>``; a missing flag is not set."""
    return (element.findtext(flag) or "0").strip() == "1"


def iterate(root: Path, split: str, skipped: Skipped) -> Iterator[Still]:
    """The photographs of one split, in its order.

    Args:
        root: a VOC folder, or a ``VOCdevkit`` with ``VOC2007`` and the like in it.
        split: a name in ``ImageSets/Main``, such as ``trainval``.
        skipped: collects difficult objects, malformed files and photographs without a box.

    Raises:
        DatasetError: if the layout is another one, or no list of that split is there.
    """
    folders = [root] if (root / "Annotations").is_dir() else naturally(root.glob("VOC20*"))
    lists = [path for folder in folders if (path := folder / "ImageSets" / "Main" / f"{split}.txt").is_file()]
    if not lists:
        raise DatasetError(
            f"{root} is not a VOC folder with split {split!r}; "
            f"expected Annotations/, JPEGImages/ and ImageSets/Main/{split}.txt in it or in VOC2007/, VOC2012/ below it"
        )
    for path in lists:
        yield from _photographs(path, skipped)


def _photographs(names: Path, skipped: Skipped) -> Iterator[Still]:
    root = names.parents[2]
    for line in read_text(names).splitlines():
        if not line.strip():
            continue
        name = line.split()[0]
        path = root / "Annotations" / f"{name}.xml"
        objects = read_objects(path, origin=1, skipped=skipped)
        if objects is None:
            continue
        boxes = []
        for element, box in objects:
            if is_marked(element, "difficult"):
                skipped.add("object marked difficult", path)
            else:
                boxes.append(box)
        if boxes:
            yield Still(root / "JPEGImages" / f"{name}.jpg", np.stack(boxes))
        else:
            skipped.add("photograph without a box", path)
