"""The data sets by name, each with its reader and a line on the layout that it expects."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.types import Sequence, Still
from siam_tracker_core.errors import DatasetError

Reader = Callable[[Path, str, Skipped], Iterator[Any]]


@dataclass(frozen=True)
class DataSet:
    """How to read a data set.

    Attributes:
        name: as on the command line.
        kind: ``video`` (the reader yields ``Sequence``, one a track) or ``stills`` (it yields ``Still``).
        reader: ``module:function``, loaded when used. The function takes ``(root: Path, split: str, skipped: Skipped)``
            and yields lazily; what it cannot take goes to ``skipped``, a missing or empty folder is a ``DatasetError``.
        splits: the parts that it has, the usual one for training first; ``("",)`` if it is one piece.
        layout: what ``root`` must hold, in one line.
    """

    name: str
    kind: Literal["video", "stills"]
    reader: str
    splits: tuple[str, ...]
    layout: str

    def read(
        self, root: str | Path, split: str | None = None, skipped: Skipped | None = None
    ) -> Iterator[Sequence] | Iterator[Still]:
        """The tracks or photographs of one split, lazily.

        Args:
            root: where the data set lies.
            split: one of ``splits``; the first by default.
            skipped: collects what was left out.

        Raises:
            DatasetError: for an unknown split or a missing folder at once; while iterating, for a folder that is
                incomplete, empty, or of which everything was left out.
        """
        chosen = self.splits[0] if split is None else split
        if chosen not in self.splits:
            known = ", ".join(name or "(none)" for name in self.splits)
            raise DatasetError(f"{self.name} has no split {chosen!r}; it has {known}")
        root = Path(root)
        if not root.is_dir():
            raise DatasetError(f"{root} is not a folder; {self.name} expects {self.layout}")
        module, function = self.reader.split(":")
        reader: Reader = getattr(importlib.import_module(module), function)
        return self._at_least_one(reader, root, chosen, Skipped() if skipped is None else skipped)

    def _at_least_one(self, reader: Reader, root: Path, split: str, skipped: Skipped) -> Iterator[Any]:
        """What the reader yields, which must not be nothing."""
        empty = True
        for item in reader(root, split, skipped):
            empty = False
            yield item
        if empty:
            of_split = f" of split {split!r}" if split else ""
            reasons = "".join(f"; {line}" for line in skipped.lines())
            raise DatasetError(
                f"{root} holds nothing{of_split} that can be used; {self.name} expects {self.layout}{reasons}"
            )


_HERE = "siam_tracker_core.datasets"
_TABLE = (
    DataSet(
        "folder", "video", f"{_HERE}.otb_form:iterate", ("",), "sequence folders with img/ and groundtruth_rect.txt"
    ),
    DataSet(
        "ilsvrc-vid",
        "video",
        f"{_HERE}.ilsvrc:iterate_vid",
        ("train", "val"),
        "Annotations/VID/<split>/.../<snippet>/000000.xml and Data/VID/<split>/.../<snippet>/000000.JPEG",
    ),
    DataSet(
        "ilsvrc-det",
        "stills",
        f"{_HERE}.ilsvrc:iterate_det",
        ("train", "val"),
        "Annotations/DET/<split>/.../*.xml and Data/DET/<split>/.../*.JPEG",
    ),
    DataSet(
        "youtube-bb",
        "video",
        f"{_HERE}.youtube_bb:iterate",
        ("train", "validation"),
        "yt_bb_detection_<split>.csv and yt_bb_detection_<split>/<class>/<video>_<ms>_<class>_<object>.jpg",
    ),
    DataSet(
        "coco",
        "stills",
        f"{_HERE}.coco:iterate",
        ("train2017", "val2017", "train2014", "val2014"),
        "annotations/instances_<split>.json and <split>/*.jpg",
    ),
    DataSet("stills", "stills", f"{_HERE}.coco:iterate_folder", ("",), "images/ and an instances.json of COCO's form"),
    DataSet(
        "voc",
        "stills",
        f"{_HERE}.voc:iterate",
        ("trainval", "train", "val", "test"),
        "Annotations/, JPEGImages/ and ImageSets/Main/<split>.txt, or VOC2007/, VOC2012/ with these",
    ),
    DataSet(
        "got10k",
        "video",
        f"{_HERE}.got10k:iterate",
        ("train", "val"),
        "<split>/list.txt and <split>/GOT-10k_Train_000001/ with 00000001.jpg, groundtruth.txt and *.label",
    ),
    DataSet(
        "lasot",
        "video",
        f"{_HERE}.lasot:iterate",
        ("train",),
        "airplane/airplane-1/ with img/, groundtruth.txt, full_occlusion.txt and out_of_view.txt",
    ),
    DataSet(
        "alov",
        "video",
        f"{_HERE}.alov:iterate",
        ("annotated", "interpolated"),
        "imagedata++/01-Light/01-Light_video00001/ and alov300++_rectangleAnnotation_full/01-Light/*.ann",
    ),
    DataSet("deform-sot", "video", f"{_HERE}.deform_sot:iterate", ("",), "bolt/*.jpg and Annotations/gt/bolt.txt"),
    DataSet(
        "davis",
        "video",
        f"{_HERE}.davis:iterate",
        ("2017-train", "2017-val", "2016-train", "2016-val"),
        "JPEGImages/480p, Annotations/480p and ImageSets/2016, ImageSets/2017",
    ),
    DataSet(
        "composed", "video", f"{_HERE}.composed:iterate", ("",), "cutouts/*.png with alpha and photographs/ (images)"
    ),
    DataSet("photographs", "stills", f"{_HERE}.photographs:iterate", ("",), "images, in any number of folders"),
)
DATA_SETS = {entry.name: entry for entry in _TABLE}


def data_set(name: str) -> DataSet:
    """The data set of a name.

    Raises:
        DatasetError: if there is none; names those that there are.
    """
    if name not in DATA_SETS:
        raise DatasetError(f"there is no data set {name!r}; known are {', '.join(sorted(DATA_SETS))}")
    return DATA_SETS[name]
