"""Draw boxes at random in photographs that nobody labelled, in COCO's form, for `siam-tracker prepare stills`.

usage: boxes_in_photographs.py PHOTOGRAPHS OUT

A box is a part of whatever the photograph shows, and a target as good as any. Published trackers say what it looks like
(`training.teachers`), so mark the source as loose. OUT gets `instances.json`, and `images/` with links.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

BOXES = 2  # a photograph
SIDES = (0.22, 0.5)  # root of a box's area, relative to the photograph's shorter side
ASPECT = 0.5  # largest logarithm of width to height, either way
SPREAD = 0.13  # standard deviation of a box's middle about the photograph's, relative to its sides
ENDINGS = (".jpeg", ".jpg")


def draw(width: int, height: int, random: np.random.Generator) -> list[float]:
    """A box as zero-based left, top, width, height in pixels, whole in the photograph."""
    side = min(height, width) * random.uniform(*SIDES)
    root = np.exp(random.uniform(-ASPECT, ASPECT)) ** 0.5
    size = np.array([side * root, side / root])
    whole = np.array([width, height])
    middle = np.clip(whole / 2 + random.normal(size=2) * whole * SPREAD, size / 2, whole - size / 2)
    return [float(value) for value in (*(middle - size / 2), *size)]


def main() -> None:
    """Write the boxes, and the links."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    (options.out / "images").mkdir(parents=True)
    images, boxes = [], []
    for path in sorted(each for each in options.photographs.rglob("*") if each.suffix.lower() in ENDINGS):
        picture = cv2.imread(str(path))
        if picture is None:
            print(f"{path} is no image; it is left out")
            continue
        height, width = picture.shape[:2]
        name = f"{len(images):06d}{path.suffix}"
        (options.out / "images" / name).symlink_to(path.resolve())
        images.append({"id": len(images) + 1, "file_name": name, "width": width, "height": height})
        for _ in range(BOXES):
            box = draw(width, height, random)
            boxes.append({"id": len(boxes) + 1, "image_id": len(images), "category_id": 1, "bbox": box, "iscrowd": 0})
    told = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "part"}]}
    (options.out / "instances.json").write_text(json.dumps(told))
    print(f"{len(boxes)} boxes in {len(images)} photographs")


if __name__ == "__main__":
    main()
