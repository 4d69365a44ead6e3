"""From a tracker's name to a tracker, whether it is ours, a published one, or brought along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.evaluation.tuning_record import read_record
from siam_tracker_core.peers import PEERS, Peer, make_peer, runtime_of
from siam_tracker_core.runtimes.manifest import MANIFEST, is_exported
from siam_tracker_core.weights import read_weights, sha256, shared_files


def split_settings(source: str) -> tuple[str, Path | None]:
    """A tracker and the settings in ``NAME+FILE.yaml``; a plus may be in either path too.

    Returns:
        The name or path of the tracker, and the settings' absolute path, or None where there are none.
    """
    if not source.endswith((".yaml", ".yml")):
        return source, None
    places = [place for place, letter in enumerate(source) if letter == "+"]
    whole = [place for place in places if _could_be_tracker(source[:place])]
    if not whole:
        return source, None
    place = next((place for place in whole if Path(source[place + 1 :]).is_file()), whole[0])
    return source[:place], Path(source[place + 1 :]).absolute()


def _could_be_tracker(text: str) -> bool:
    return text.endswith(".safetensors") or "/" not in text


def is_file_with_settings(text: str) -> bool:
    """Whether a text with spaces or commas is one tracker: the path of weights or an export, perhaps with settings."""
    name, settings = split_settings(text)
    one_word = not set(name) & {" ", ","}
    return Path(name).is_file() or is_exported(name) or (one_word and settings is not None and settings.is_file())


class FrameTracker(Protocol):
    """Anything that can be evaluated."""

    def init(self, image: Any, box: Any) -> Any:
        """Start on a uint8 (H, W, 3) BGR image with a ``Box``."""

    def update(self, image: Any) -> Any:
        """The target in the next image: an object with ``.box``, a ``Box``, four numbers, or None for no answer."""


@dataclass(frozen=True)
class TrackerSpec:
    """How to get a tracker, in this process or in another.

    Attributes:
        label: the name in results, tables and plots; also the name of its results folder.
        source: a peer's name, a zoo name, a path to a weights file, or a tracker itself.
        device: for our trackers, "auto", "cpu" or "cuda:0"; peers run on the CPU.
        peer_models: folders of the files of peers that need some; see ``peers.make_peer``.
        settings: YAML file of settings that differ from those of the weights, e.g. one by ``siam-tracker tune``.
        runtime, precision, threads: for our trackers, see ``load_tracker``.
    """

    label: str
    source: str | FrameTracker
    device: str = "auto"
    peer_models: tuple[Path, ...] = ()
    settings: Path | None = None
    runtime: str = "auto"
    precision: str = "auto"
    threads: int | None = None

    @classmethod
    def of(
        cls, source: str | FrameTracker, device: str = "auto", peer_models: Sequence[str | Path] = ()
    ) -> TrackerSpec:
        """A specification labelled with the tracker's own name, or with the stem of its weights file.

        Args:
            source: as the attribute; with settings as ``NAME+FILE.yaml``, which are then part of the label by their
                stem. Paths are made absolute, so that processes elsewhere on this file system find them too.
            device: as the attribute.
            peer_models: as the attribute.
        """
        folders = tuple(Path(folder).absolute() for folder in peer_models)
        if not isinstance(source, str):
            return cls(str(getattr(source, "name", type(source).__name__)), source, device, folders)
        name, settings = split_settings(source)
        is_file = name.endswith(".safetensors") or is_exported(name)
        label = Path(name).stem if is_file else name
        return cls(
            f"{label}+{settings.stem}" if settings else label,
            str(Path(name).absolute()) if is_file else name,
            device,
            folders,
            settings,
        )

    def make(self) -> FrameTracker:
        """The tracker.

        Raises:
            SiamTrackerError: if there is none of that name, or it cannot be loaded.
        """
        if not isinstance(self.source, str):
            return self.source
        if self.source in PEERS:
            return make_tracker(self.source, self.device, self.peer_models, self.settings)
        from siam_tracker_core import load_tracker  # here, so that peers can be measured without loading any network

        tracker: FrameTracker = load_tracker(
            self.source,
            self.device,
            config=self.settings,
            precision=self.precision,
            runtime=self.runtime,
            threads=self.threads,
        )
        return tracker


def make_tracker(
    name: str, device: str = "auto", peer_models: Sequence[Path] = (), settings: Path | None = None
) -> FrameTracker:
    """A peer (``peers.PEERS``) by its name, or whatever ``load_tracker`` understands.

    Args:
        name: a peer's name, a zoo name, or a path to a weights file.
        device: for our trackers, "auto", "cpu" or "cuda:0".
        peer_models: folders of the files of peers that need some.
        settings: YAML file of settings that differ from those of the weights; for our trackers only.

    Raises:
        ConfigError: if there is no such tracker, the installed OpenCV lacks it, or the settings are not right.
        WeightsError: if its weights are missing or damaged.
    """
    if name in PEERS:
        if settings is not None:
            raise ConfigError(f"{name} runs with its authors' settings; {settings} cannot be applied to it")
        return make_peer(name, peer_models)
    from siam_tracker_core import load_tracker  # here, so that peers can be measured without loading any network

    tracker: FrameTracker = load_tracker(name, device=device, config=settings)
    return tracker


def describe(spec: TrackerSpec, tracker: FrameTracker) -> dict[str, Any]:
    """What tells this tracker from another of the same name, ready for JSON.

    Returns:
        ``class``; ``weights``, the SHA-256 of each weights file by its name; and, where there are such things,
        ``device``, ``config``, ``opencv`` or ``onnxruntime`` (its version), ``provenance`` (the weights file's own),
        ``settings`` (the name of the settings file) and ``tuning`` (what ``siam-tracker tune`` recorded in that file).
    """
    description: dict[str, Any] = {"class": type(tracker).__name__, "weights": {}}
    if isinstance(tracker, Peer):
        return description | {"weights": tracker.weights_hashes} | runtime_of(tracker)
    if isinstance(spec.source, str):
        description |= describe_weights(spec.source)
    if spec.settings is not None:
        description["settings"] = spec.settings.name
        description["tuning"] = read_record(spec.settings)
    for attribute in ("device", "config"):
        if hasattr(tracker, attribute):
            description[attribute] = str(getattr(tracker, attribute))
    return description


def describe_weights(source: str) -> dict[str, Any]:
    """What a weights file tells of itself.

    Args:
        source: a zoo name, or a path to a weights file.

    Returns:
        ``weights`` and ``provenance`` as in ``describe``, with the provenances of the files beside it that hold tensors
        of it, which have learned for it.

    Raises:
        WeightsError: if the file is missing or damaged.
    """
    from siam_tracker_core.zoo import find_weights

    if is_exported(source):
        path = Path(source) / MANIFEST
        return {"weights": {path.name: sha256(path)}, "provenance": {}}
    path = find_weights(source)
    provenance = _provenance(path)
    if beside := {name: _provenance(path.with_name(name)) for name in shared_files(path)}:
        provenance = {**provenance, "beside": beside}
    return {"weights": {path.name: sha256(path)}, "provenance": provenance}


def _provenance(path: Path) -> dict[str, Any]:
    return dict(read_weights(path)[1].get("provenance", {}))
