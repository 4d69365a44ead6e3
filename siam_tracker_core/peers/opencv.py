"""OpenCV's trackers behind the interface of ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.files.kinds import impostor
from siam_tracker_core.geometry import Box, check_target_box
from siam_tracker_core.peers.files import find_files, hashes
from siam_tracker_core.peers.result import PeerResult
from siam_tracker_core.trackers.results import TrackState

NANO_FILES = ("nanotrackv2_backbone.onnx", "nanotrackv2_head.onnx")

_CLASSES = {"kcf": "TrackerKCF", "csrt": "TrackerCSRT", "mil": "TrackerMIL", "nano": "TrackerNano"}
NAMES = tuple(_CLASSES)


class OpenCVTracker:
    """One of OpenCV's trackers with ``init`` and ``update`` as ours have.

    Args:
        name: one of ``NAMES``.
        folders: where ``NANO_FILES`` may lie, for "nano" only; see ``find_files``.

    Attributes:
        name: as given.
        weights_hashes: SHA-256 of the weights files by file name; empty for trackers without weights.

    Raises:
        ConfigError: for another name, or where the installed OpenCV lacks that tracker.
        WeightsError: if NanoTrack's files are missing or OpenCV cannot read them.
    """

    def __init__(self, name: str, folders: Sequence[Path] = ()) -> None:
        self.name = name
        self.weights_hashes: dict[str, str] = {}
        if name not in _CLASSES:
            raise ConfigError(f"{name!r} is not one of OpenCV's trackers known here: {', '.join(NAMES)}")
        factory = _factory(name)
        if name == "nano":
            parameters, self.weights_hashes = _nano_parameters(folders)
            self._create: Callable[[], Any] = lambda: factory(parameters)
        else:
            self._create = factory
        self._tracker: Any = None
        self._last = Box(0, 0, 0, 0)

    def init(self, image: NDArray[np.uint8], box: Box) -> None:
        """Start following the target in ``box``; OpenCV takes whole pixels, so the box is rounded.

        Args:
            image: uint8 (H, W, 3) BGR.
            box: the target in pixels.

        Raises:
            BoxError: if no target can be in the box.
            WeightsError: if OpenCV cannot read NanoTrack's files.
        """
        height, width = image.shape[:2]
        check_target_box(box, width, height)
        try:
            self._tracker = self._create()
        except cv2.error as error:
            raise WeightsError(f"OpenCV cannot load the {self.name} tracker: {str(error).strip()}") from None
        self._tracker.init(image, _whole_pixels(box, width, height))
        self._last = box

    def update(self, image: NDArray[np.uint8]) -> PeerResult:
        """Find the target in the next image.

        OpenCV gives no box where it cannot find the target; the last one is repeated there, as our trackers repeat
        theirs while lost. On OTB's videos that is worth a third of KCF's score.

        Raises:
            RuntimeError: if ``init`` was not called.
        """
        if self._tracker is None:
            raise RuntimeError("update() before init(): no target has been given yet")
        found, rectangle = self._tracker.update(image)
        if not found:
            return PeerResult(self._last, state=TrackState.LOST.value)
        self._last = Box.from_array(rectangle)
        score = float(self._tracker.getTrackingScore()) if hasattr(self._tracker, "getTrackingScore") else None
        return PeerResult(self._last, score)


def _factory(name: str) -> Callable[..., Any]:
    create = getattr(cv2, f"{_CLASSES[name]}_create", None)
    if create is None:
        raise ConfigError(
            f"OpenCV {cv2.__version__} has no {_CLASSES[name]}, so tracker {name!r} cannot run; KCF and CSRT come with "
            "the package opencv-contrib-python-headless (one OpenCV package an environment), below version 5"
        )
    factory: Callable[..., Any] = create
    return factory


def _nano_parameters(folders: Sequence[Path]) -> tuple[Any, dict[str, str]]:
    paths = find_files("nano", NANO_FILES, folders)
    for path in paths:
        if what := impostor(path):
            raise WeightsError(f"{path} {what}")
    parameters: Any = cv2.TrackerNano_Params()  # type: ignore[attr-defined]
    parameters.backbone, parameters.neckhead = (str(path) for path in paths)
    return parameters, hashes(paths)


def _whole_pixels(box: Box, image_width: int, image_height: int) -> tuple[int, int, int, int]:
    """The nearest whole-pixel box with at least one pixel inside the image, which OpenCV insists on."""
    inside = box.clipped(image_width, image_height)
    left, top = min(round(inside.x), image_width - 1), min(round(inside.y), image_height - 1)
    width, height = max(round(inside.right) - left, 1), max(round(inside.bottom) - top, 1)
    return left, top, width, height
