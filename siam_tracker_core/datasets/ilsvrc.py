"""Readers for ImageNet's ILSVRC 2015: videos with tracks (VID) and photographs (DET).

Layout (development kit of ILSVRC2015, readme.txt, sections 2.2 and 4.2)::

    Annotations/VID/train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000/000000.xml
    Annotations/VID/val/ILSVRC2015_val_00000000/000000.xml
    Annotations/DET/train/ILSVRC2013_train/n02672831/n02672831_1.xml
    Annotations/DET/train/ILSVRC2014_train_0000/ILSVRC2014_train_00000001.xml
    Annotations/DET/val/ILSVRC2012_val_00000001.xml
    Data/...                                        the same with .JPEG

Folders between the split and the snippet may be missing or named otherwise. Links that lead back into the annotations
(SiamFC's and PySOT's preparation make ``a`` to ``e`` beside the folders, ``e`` for val) are not followed: their tracks
would be read twice, and val as train.

Corners are zero-based and inclusive. The files hold coordinates of 0, so the first pixel is 0, and
msracver/Flow-Guided-Feature-Aggregation:lib/dataset/imagenet_vid.py clips to ``width - 1``; SiamFC's own curation
(bertinetto/siamese-fc:ILSVRC15-curation/per_frame_annotation.m) and got10k:datasets/vid.py take ``xmax - xmin + 1`` as
the width. VATIC, which the videos were annotated with, exports its corners as they are, so one pixel stays uncertain.

``occluded`` is 0 or 1: the annotator saw the object partly (or, rarely, wholly) hidden; no share is given, the boxes
are mostly tight around the visible part (readme.txt, section 1.2), and no published preparation drops such frames. So
the visibility is 1 wherever there is a box, and the flag is the tag ``occlusion``. ``generated`` (interpolated between
two boxes that a human drew) is the tag ``generated``. An object that is out of view has no entry in the frame's file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.types import Sequence, Still
from siam_tracker_core.datasets.voc import is_marked, read_objects
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.files import natural_key

FLAGS = {"occlusion": "occluded", "generated": "generated"}


def iterate_vid(root: Path, split: str, skipped: Skipped) -> Iterator[Sequence]:
    """The tracks of one split of VID, snippet after snippet; no more than one snippet's files are read ahead.

    A track's name is ``snippet/trackid``; all tracks of a snippet share its frames, with a row of NaN where the object
    is not in view. The frame rate is not recorded; 30 Hz is assumed.

    Args:
        root: the ILSVRC folder, with ``Annotations`` and ``Data``.
        split: ``train`` or ``val``.
        skipped: collects malformed files (a frame each), snippets without images, invalid and repeated boxes.

    Raises:
        DatasetError: if the annotations are missing.
    """
    annotations = _annotations(root, "VID", split)
    for folder, files in _folders_of_files(annotations, annotations.resolve().parent):
        images = root / "Data" / "VID" / split / folder.relative_to(annotations)
        if images.is_dir():
            yield from _tracks(folder, files, images, skipped)
        else:
            skipped.add("snippet without images", images)


def iterate_det(root: Path, split: str, skipped: Skipped) -> Iterator[Still]:
    """The photographs of one split of DET that have at least one box.

    Args:
        root: the ILSVRC folder, with ``Annotations`` and ``Data``.
        split: ``train`` or ``val``.
        skipped: collects malformed files, invalid boxes and photographs without a box.

    Raises:
        DatasetError: if the annotations are missing.
    """
    annotations = _annotations(root, "DET", split)
    for folder, files in _folders_of_files(annotations, annotations.resolve().parent):
        images = root / "Data" / "DET" / split / folder.relative_to(annotations)
        for name in files:
            objects = read_objects(folder / name, origin=0, skipped=skipped)
            if objects:
                yield Still(_image(images, name), np.stack([box for _, box in objects]))
            elif objects is not None:
                skipped.add("photograph without a box", folder / name)


def _annotations(root: Path, part: str, split: str) -> Path:
    folder = root / "Annotations" / part / split
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; expected ILSVRC's Annotations/{part}/{split} and Data/{part}")
    return folder


def _image(folder: Path, annotation: str) -> Path:
    return folder / f"{annotation.removesuffix('.xml')}.JPEG"


def _folders_of_files(folder: Path, top: Path) -> Iterator[tuple[Path, list[str]]]:
    """Each folder under ``folder`` that holds XML files, with their names in order; one folder is listed at a time.

    Args:
        folder: where to start.
        top: real path under which links are not followed.
    """
    with os.scandir(folder) as entries:
        shown = (entry for entry in entries if not entry.name.startswith("."))
        found = sorted(shown, key=lambda entry: natural_key(entry.name))
    files = [entry.name for entry in found if entry.name.endswith(".xml")]
    if files:
        yield folder, files
    for entry in found:
        path = folder / entry.name
        if entry.is_dir() and not (entry.is_symlink() and path.resolve().is_relative_to(top)):
            yield from _folders_of_files(path, top)


def _tracks(folder: Path, files: list[str], images: Path, skipped: Skipped) -> Iterator[Sequence]:
    """The tracks of one snippet, in the order in which they appear."""
    frames: list[Path] = []
    # For each track: for each frame in which it is, the frame's number, its box and its flags.
    tracks: dict[str, list[tuple[int, NDArray[np.float64], list[bool]]]] = {}
    for name in files:
        objects = read_objects(folder / name, origin=0, skipped=skipped)
        if objects is None:
            continue
        for element, box in objects:
            track = (element.findtext("trackid") or "").strip()
            if not track:
                skipped.add("object without a trackid", folder / name)
                continue
            rows = tracks.setdefault(track, [])
            if rows and rows[-1][0] == len(frames):
                skipped.add("second box of one track", folder / name)
            else:
                rows.append((len(frames), box, [is_marked(element, flag) for flag in FLAGS.values()]))
        frames.append(_image(images, name))
    shared = tuple(frames)
    if not tracks:
        skipped.add("snippet without an object", folder)
    for track, rows in tracks.items():
        where = [number for number, _, _ in rows]
        boxes = np.full((len(shared), 4), np.nan)
        boxes[where] = [box for _, box, _ in rows]
        flags = np.zeros((len(shared), len(FLAGS)), dtype=np.bool_)
        flags[where] = [marks for _, _, marks in rows]
        tags = dict(zip(FLAGS, flags.T, strict=True))
        yield Sequence(f"{folder.name}/{track}", shared, boxes, tags=tags)
