"""What ``zoo.yaml`` says of each trained tracker: its file, its network, where it comes from, and how good it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from siam_tracker_core.config import STRICT, read_config, read_yaml
from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.files.kinds import impostor
from siam_tracker_core.limits import NotNegative, Positive, Share, Whole
from siam_tracker_core.weights import sha256

ZOO_FILE = "zoo.yaml"

# Of the command line and the node: the best one that follows a camera on a CPU.
DEFAULT_TRACKER = "siamban_mobilenetv2_online"

T = TypeVar("T")


@dataclass(frozen=True)
class Provenance:
    """How weights were trained.

    Attributes:
        data: what on, and on what terms.
        start: what the training began with.
        steps: optimiser steps of the last training.
        seed: of that training.
        commit: of this repository.
        device: what it ran on.
        hours: how long.
    """

    data: str
    start: str
    steps: Whole
    seed: int
    commit: str
    device: str
    hours: NotNegative

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class Scores:
    """How good a tracker was, and how that was measured.

    Attributes:
        sequences: on which.
        success_auc: area under the success curve, 0..1.
        precision_20: share of frames whose centre is within 20 px, 0..1.
        frames_per_second: with one target.
        machine: that ran it.
        command: that measures it again.
        tuned_on: what settings were chosen, and on what data.
    """

    sequences: str
    success_auc: Share
    precision_20: Share
    frames_per_second: Positive
    machine: str
    command: str
    tuned_on: str

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class Paper:
    """How a trained tracker stands to the paper of its method.

    Attributes:
        network: whether the network is the paper's, layer by layer.
        differs: what is not as in the paper, of the network, the training and the settings.
    """

    network: bool
    differs: str

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class ZooEntry:
    """One trained tracker.

    Attributes:
        name: what ``load_tracker`` takes.
        path: its weights file.
        sha256: of that file.
        description: one sentence for people.
        tracker: which one.
        network: backbone and what else its makers need, as in the file's metadata.
        parameters: learnable numbers of the network.
        provenance: how it was trained.
        config: settings of the tracker that differ from its defaults, as in the file's metadata.
        scores: None if nothing was measured.
        paper: None for a tracker of no paper.
    """

    name: str
    path: Path
    sha256: str
    description: str
    tracker: str
    network: dict[str, Any]
    parameters: Whole
    provenance: Provenance
    config: dict[str, Any] = field(default_factory=dict)
    scores: Scores | None = None
    paper: Paper | None = None

    __pydantic_config__ = STRICT

    @property
    def is_here(self) -> bool:
        """Whether there is a weights file, whole or not."""
        return self.path.is_file()

    def check(self) -> None:
        """See whether the weights file is the one that is listed.

        Raises:
            WeightsError: if it is missing, or its SHA-256 differs.
        """
        if not self.is_here:
            raise WeightsError(
                f"weights file {self.path} of {self.name} does not exist; siam-tracker zoo --get {self.name} gets it"
            )
        if what := impostor(self.path):
            raise WeightsError(f"weights file {self.path} {what}")
        if sha256(self.path) != self.sha256:
            raise WeightsError(f"weights file {self.path} is not the one that {ZOO_FILE} lists: its SHA-256 differs")


def read_entries(folder: Path) -> dict[str, ZooEntry]:
    """All entries of a folder's ``zoo.yaml`` by name.

    Raises:
        ConfigError: if the file is missing, or says too little or something unknown of a tracker.
    """
    file = folder / ZOO_FILE
    return {name: _entry(name, values, folder, f"{file}: {name}") for name, values in read_yaml(file).items()}


def _entry(name: str, values: Any, folder: Path, origin: str) -> ZooEntry:
    told = dict(_mapping(values, origin))
    if "file" not in told:
        raise ConfigError(f"{origin} needs file, its weights file beside {ZOO_FILE}")
    told |= {"name": name, "path": folder / str(told.pop("file"))}
    for key, part in (("provenance", Provenance), ("scores", Scores), ("paper", Paper)):
        if told.get(key) is not None:
            told[key] = _part(part, told[key], f"{origin}: {key}")
    return _part(ZooEntry, told, origin)


def _part(cls: type[T], values: Any, origin: str) -> T:
    needed = {item.name for item in fields(cls) if item.default is MISSING and item.default_factory is MISSING}  # type: ignore[arg-type]
    missing = sorted(needed - set(_mapping(values, origin)))
    if missing:
        raise ConfigError(f"{origin} needs {', '.join(missing)}")
    return read_config(cls, values, origin)


def _mapping(values: Any, origin: str) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{origin} holds a {type(values).__name__}, expected `key: value` lines")
    return values
