"""``tracker.yaml``: what an exported tracker is, beside its graphs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from annotated_types import Ge, Gt

from siam_tracker_core.config import STRICT, read_config, read_yaml
from siam_tracker_core.errors import ConfigError, ExportError
from siam_tracker_core.weights import sha256

MANIFEST = "tracker.yaml"
# Counts up when a folder of this form can no longer be read by older versions of this package, or theirs by this one.
LAYOUT = 1

Format = Literal["onnx", "openvino", "tensorrt", "torchscript"]
Precision = Literal["single", "half", "int8"]


@dataclass(frozen=True)
class GraphFile:
    """One graph of an exported tracker.

    Attributes:
        files: SHA-256 of each of its files, the one to open first.
        largest_difference: between its answers and PyTorch's on crops of pictures, relative to the largest answer.
    """

    files: dict[str, str]
    largest_difference: Annotated[float, Ge(0)] = 0.0

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class Manifest:
    """What an exported tracker is.

    Attributes:
        name: of the tracker, for people.
        tracker: kind of tracker, as in the metadata of its weights.
        format: of the graphs.
        precision: of their arithmetic.
        batch: crops that a graph takes at once; 0 where the number is open.
        exemplar_size: side of the exemplar crops in pixels.
        search_sizes: sides of the search crops in pixels.
        stride: of the response, in pixels of the search crop.
        weights: SHA-256 of the weights file.
        graphs: by name.
        network: description of the network, as in the metadata of its weights.
        config: settings of the tracker, with its calibration, as in the metadata of its weights.
        versions: of what wrote the graphs.
        machine: what they are bound to; empty for graphs that run on any.
        layout: of the folder.
    """

    name: str
    tracker: str
    format: Format
    precision: Precision
    batch: Annotated[int, Ge(0)]
    exemplar_size: Annotated[int, Gt(0)]
    search_sizes: tuple[Annotated[int, Gt(0)], ...]
    stride: Annotated[int, Gt(0)]
    weights: str
    graphs: dict[str, GraphFile]
    network: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)
    layout: int = LAYOUT

    __pydantic_config__ = STRICT

    def write(self, folder: Path) -> None:
        """Write ``tracker.yaml``; the file appears whole or not at all."""
        values = dataclasses.asdict(self) | {"search_sizes": list(self.search_sizes)}
        partial = folder / f"{MANIFEST}.partial"
        partial.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
        partial.replace(folder / MANIFEST)

    def path(self, folder: Path, graph: str) -> Path:
        """The file of a graph to open.

        Raises:
            ExportError: if the tracker has no such graph.
        """
        if graph not in self.graphs:
            raise ExportError(
                f"{folder} holds no graph {graph}, only {', '.join(sorted(self.graphs))}; export the tracker again "
                "with the settings that it is to run with"
            )
        return folder / next(iter(self.graphs[graph].files))


def is_exported(path: str | Path) -> bool:
    """Whether a folder holds an exported tracker; nothing is read."""
    return (Path(path) / MANIFEST).is_file()


def read_manifest(folder: Path) -> Manifest:
    """Read ``tracker.yaml`` and see whether the files beside it are whole.

    Raises:
        ExportError: if the folder is no exported tracker, was exported by a version of this package that this one
            does not understand, or a file is missing, truncated or another one.
    """
    if not (folder / MANIFEST).is_file():
        raise ExportError(f"{folder} holds no {MANIFEST}, so it is no exported tracker; siam-tracker export makes one")
    try:
        values = read_yaml(folder / MANIFEST)
        layout = values.get("layout")
        if layout != LAYOUT:
            raise ExportError(
                f"{folder / MANIFEST} was written by another version of this package (layout {layout}, this one reads "
                f"{LAYOUT}); export the tracker again with this version"
            )
        manifest = read_config(Manifest, _complete(values), str(folder / MANIFEST))
    except ConfigError as error:
        raise ExportError(f"{error}; export the tracker again") from None
    for name, graph in manifest.graphs.items():
        if not graph.files:
            raise ExportError(f"{folder / MANIFEST} names no file for the graph {name}; export the tracker again")
        for file, expected in graph.files.items():
            _check_file(folder / file, expected)
    return manifest


def _complete(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values themselves, if none that is needed is missing; ``read_config`` would fail without a sentence."""
    needed = [item.name for item in dataclasses.fields(Manifest) if _is_needed(item)]
    missing = [name for name in needed if name not in values]
    if missing:
        raise ConfigError(f"{MANIFEST} lacks {', '.join(missing)}")
    return values


def _is_needed(item: dataclasses.Field[Any]) -> bool:
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING


def _check_file(path: Path, expected: str) -> None:
    if not path.is_file():
        raise ExportError(f"{path} is missing; export the tracker again, or copy the whole folder")
    if sha256(path) != expected:
        raise ExportError(
            f"{path} is truncated or not the file that {MANIFEST} lists (its SHA-256 differs); export the tracker "
            "again, or copy the whole folder"
        )
