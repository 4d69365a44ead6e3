"""The data sets by name, each with its reader and a line on the layout that it expects."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.types import Sequence, Still
from siam_tracker_core.errors import DatasetError


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
            DatasetError: for an unknown split, or a folder that is missing, incomplete or empty.
        """
        chosen = self.splits[0] if split is None else split
        if chosen not in self.splits:
            known = ", ".join(name or "(none)" for name in self.splits)
            raise DatasetError(f"{self.name} has no split {chosen!r}; it has {known}")
        root = Path(root)
        if not root.is_dir():
            raise DatasetError(f"{root} is not a folder; {self.name} expects {self.layout}")
        module, function = self.reader.split(":")
        reader = getattr(importlib.import_module(module), function)
        return reader(root, chosen, Skipped() if skipped is None else skipped)  # type: ignore[no-any-return]


_HERE = "siam_tracker_core.datasets"
_TABLE = (
    DataSet(
        "folder", "video", f"{_HERE}.otb_form:iterate", ("",), "sequence folders with img/ and groundtruth_rect.txt"
    ),
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
