"""The evaluation sets by name, each with its reader and a line on the layout that it expects."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import DatasetError


@dataclass(frozen=True)
class Benchmark:
    """How to read an evaluation set.

    Attributes:
        name: as on the command line.
        reader: ``module:function``, loaded when used. The function takes the root and ``options`` and returns a list of
            ``Sequence``; whatever is missing or malformed is a ``DatasetError``, because a score over a part of a
            benchmark is not that benchmark's score.
        layout: what the root must hold, in one line.
        options: further arguments of the reader.
    """

    name: str
    reader: str
    layout: str
    options: Mapping[str, str] = field(default_factory=dict)


_HERE = "siam_tracker_core.datasets"
_OTB = "OTB's videos, such as Basketball/img/0001.jpg beside Basketball/groundtruth_rect.txt"
_UAV = "data_seq/UAV123/bike1/000001.jpg and anno/{0}/bike1.txt"
_DAVIS = "JPEGImages/480p, Annotations/480p and ImageSets/{0}/val.txt"
_TABLE = (
    Benchmark("davis", f"{_HERE}.davis:read_davis", _DAVIS.format("2017"), {"split": "2017-val"}),
    Benchmark("davis2016", f"{_HERE}.davis:read_davis", _DAVIS.format("2016"), {"split": "2016-val"}),
    Benchmark("dtb70", f"{_HERE}.dtb70:read_dtb70", "Animal1/img/00001.jpg beside Animal1/groundtruth_rect.txt, ..."),
    Benchmark("folder", f"{_HERE}.otb_form:read_sequences", "sequence folders with img/ and groundtruth_rect.txt"),
    Benchmark("got10k", f"{_HERE}.got10k:read_got10k", "val/list.txt and val/GOT-10k_Val_000001/00000001.jpg, ..."),
    Benchmark("lasot", f"{_HERE}.lasot:read_lasot_test", "airplane/airplane-1/img/00000001.jpg, ..."),
    Benchmark("otb2013", f"{_HERE}.otb:read_otb", _OTB, {"version": "otb2013"}),
    Benchmark("otb2015", f"{_HERE}.otb:read_otb", _OTB, {"version": "otb2015"}),
    Benchmark("otb50", f"{_HERE}.otb:read_otb", _OTB, {"version": "otb50"}),
    Benchmark("uav123", f"{_HERE}.uav123:read_uav123", _UAV.format("UAV123"), {"version": "UAV123"}),
    Benchmark("uav20l", f"{_HERE}.uav123:read_uav123", _UAV.format("UAV20L"), {"version": "UAV20L"}),
    Benchmark("vot", f"{_HERE}.vot:read_vot", "list.txt and a folder a sequence with groundtruth.txt"),
)
BENCHMARKS = {entry.name: entry for entry in _TABLE}


def read_benchmark(name: str, root: str | Path) -> list[Sequence]:
    """Read an evaluation set.

    Args:
        name: one of ``BENCHMARKS``.
        root: where it lies.

    Raises:
        DatasetError: for an unknown name, or if anything of the set is missing or malformed.
    """
    if name not in BENCHMARKS:
        raise DatasetError(f"there is no benchmark {name!r}; known are {', '.join(sorted(BENCHMARKS))}")
    benchmark = BENCHMARKS[name]
    if not Path(root).is_dir():
        raise DatasetError(f"{root} is not a folder; {name} expects {benchmark.layout}")
    module, function = benchmark.reader.split(":")
    reader = getattr(importlib.import_module(module), function)
    return reader(root, **benchmark.options)  # type: ignore[no-any-return]
