"""Reader for pictures in a folder a class, as ImageNet is kept for classification."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from siam_tracker_core.datasets.images import IMAGE_SUFFIXES
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.files import naturally

LAYOUT = "train and val, each with a folder a class and the class's pictures in it"


@dataclass(frozen=True)
class ClassFolder:
    """One part of a data set.

    Attributes:
        classes: their names, sorted.
        paths: of all pictures, class by class.
        labels: the class of each, an index of ``classes``.
    """

    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.paths)


def read_classes(root: Path) -> tuple[ClassFolder, ClassFolder]:
    """The parts for training and validation of a data set for classification.

    ImageNet's pictures for validation come in one folder; they are to be sorted by class first.

    Raises:
        DatasetError: if a part or a class is missing or empty, or the parts have other classes.
    """
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder; expected in it {LAYOUT}")
    train, val = _read(root / "train"), _read(root / "val")
    if train.classes != val.classes:
        odd = sorted(set(train.classes) ^ set(val.classes))
        raise DatasetError(f"train and val of {root} have other classes: {', '.join(odd[:3])} is in one of them only")
    if len(train.classes) < 2:
        raise DatasetError(f"{root / 'train'} has one class, {train.classes[0]}; there is nothing to tell apart")
    return train, val


def _read(folder: Path) -> ClassFolder:
    classes = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir())) if folder.is_dir() else ()
    if not classes:
        raise DatasetError(f"{folder} has no folder of a class; expected {LAYOUT}")
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = naturally(path for path in (folder / name).iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
        if not found:
            raise DatasetError(f"{folder / name} holds no image ({', '.join(sorted(IMAGE_SUFFIXES))})")
        paths += found
        labels += [label] * len(found)
    return ClassFolder(classes, tuple(paths), tuple(labels))
