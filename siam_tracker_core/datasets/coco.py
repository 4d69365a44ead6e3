"""Reader for photographs with boxes in COCO's form: ``images/`` beside an ``instances.json``."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from siam_tracker_core.datasets.types import Still
from siam_tracker_core.errors import DatasetError


def read_stills(root: str | Path, annotations: str = "instances.json") -> list[Still]:
    """Read all photographs of a folder that have at least one box; crowds are left out.

    COCO's boxes are ``x, y, width, height`` with the top-left pixel at 0, which is this package's convention too.

    Raises:
        DatasetError: if the file is missing, is not of COCO's form, or holds no box.
    """
    root = Path(root)
    path = root / annotations
    if not path.is_file():
        raise DatasetError(f"{path} does not exist; expected a COCO instances file beside {root / 'images'}")
    try:
        content = json.loads(path.read_text())
        names = {image["id"]: image["file_name"] for image in content["images"]}
        boxes = defaultdict(list)
        for annotation in content["annotations"]:
            if not annotation.get("iscrowd"):
                boxes[annotation["image_id"]].append(annotation["bbox"])
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} is not a COCO instances file: {error!r}") from error
    if not boxes:
        raise DatasetError(f"{path} holds no box")
    return [
        Still(root / "images" / names[image], np.array(rows, dtype=np.float64)) for image, rows in sorted(boxes.items())
    ]
