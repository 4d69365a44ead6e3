"""From a tracker's name to a tracker, whether it is ours, OpenCV's, or brought along."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2

from siam_tracker_core.evaluation.peers import DEFAULT_NANO_MODELS, PEERS, Peer
from siam_tracker_core.weights import read_weights, sha256


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
        device: for our trackers, "auto", "cpu" or "cuda:0"; OpenCV's run on the CPU.
        nano_models: folder of NanoTrack's ONNX files.
    """

    label: str
    source: str | FrameTracker
    device: str = "auto"
    nano_models: Path = DEFAULT_NANO_MODELS

    @classmethod
    def of(
        cls, source: str | FrameTracker, device: str = "auto", nano_models: Path = DEFAULT_NANO_MODELS
    ) -> TrackerSpec:
        """A specification labelled with the tracker's own name, or with the stem of its weights file."""
        if isinstance(source, str):
            label = Path(source).stem if source.endswith(".safetensors") else source
        else:
            label = str(getattr(source, "name", type(source).__name__))
        return cls(label, source, device, nano_models)

    def make(self) -> FrameTracker:
        """The tracker.

        Raises:
            SiamTrackerError: if there is none of that name, or it cannot be loaded.
        """
        if not isinstance(self.source, str):
            return self.source
        return make_tracker(self.source, self.device, self.nano_models)


def make_tracker(name: str, device: str = "auto", nano_models: Path = DEFAULT_NANO_MODELS) -> FrameTracker:
    """A peer (kcf, csrt, mil, nano) by its name, or whatever ``load_tracker`` understands.

    Args:
        name: a peer's name, a zoo name, or a path to a weights file.
        device: for our trackers, "auto", "cpu" or "cuda:0".
        nano_models: folder of NanoTrack's ONNX files.

    Raises:
        ConfigError: if there is no such tracker, or the installed OpenCV lacks it.
        WeightsError: if its weights are missing or damaged.
    """
    if name in PEERS:
        return Peer(name, nano_models)
    from siam_tracker_core import load_tracker  # here, so that peers can be measured without loading any network

    tracker: FrameTracker = load_tracker(name, device=device)
    return tracker


def describe(spec: TrackerSpec, tracker: FrameTracker) -> dict[str, Any]:
    """What tells this tracker from another of the same name, ready for JSON.

    Returns:
        ``class``; ``weights``, the SHA-256 of each weights file by its name; and, where there are such things,
        ``device``, ``config``, ``opencv`` (its version) and ``provenance`` (the weights file's own).
    """
    description: dict[str, Any] = {"class": type(tracker).__name__, "weights": {}}
    if isinstance(tracker, Peer):
        return description | {"opencv": cv2.__version__, "weights": tracker.weights_hashes}
    if isinstance(spec.source, str):
        from siam_tracker_core.zoo import find_weights

        path = find_weights(spec.source)
        description["weights"] = {path.name: sha256(path)}
        description["provenance"] = read_weights(path)[1].get("provenance", {})
    for attribute in ("device", "config"):
        if hasattr(tracker, attribute):
            description[attribute] = str(getattr(tracker, attribute))
    return description
