"""What the published anchor-free trackers have in common: files, one target, and a box that follows what is found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box, check_target_box
from siam_tracker_core.peers.anchor_free import Following, boxes_of, follow, points
from siam_tracker_core.peers.files import find_files, hashes
from siam_tracker_core.peers.result import PeerResult

STRIDE = 16  # of the map of scores, in pixels of the search crop


class Said(NamedTuple):
    """What a network says of a search crop.

    Attributes:
        logits: (cells, cells), of "target" against everything else.
        distances: (4, cells, cells), from each cell to left, top, right and bottom in pixels of the crop.
        across, down: image pixels a pixel of the crop.
    """

    logits: NDArray[np.float32]
    distances: NDArray[np.float32]
    across: float
    down: float


class AnchorFreePeer(ABC):
    """A published tracker with ``init`` and ``update`` as our trackers have.

    Args:
        folders: where its files may lie; see ``find_files``.

    Attributes:
        name: for results and tables.
        weights_hashes: SHA-256 of the weights files by file name.

    Raises:
        ConfigError: if ONNX Runtime is not installed.
        WeightsError: if a file is missing, truncated, or of another network.
    """

    name: str
    files: ClassVar[tuple[str, ...]]
    settings: ClassVar[Following]
    cells: ClassVar[int]
    least_side: ClassVar[float]

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        paths = find_files(self.name, self.files, folders)
        self.weights_hashes = hashes(paths)
        self._load(paths)
        self._template: NDArray[np.float32] | None = None
        self._box = Box(0, 0, 0, 0)
        self._points = points(self.cells, STRIDE, self.cells // 2)

    @abstractmethod
    def _load(self, paths: Sequence[Path]) -> None:
        """Make the networks of the files ready."""

    @abstractmethod
    def _look(self, frame: Frame, box: Box) -> NDArray[np.float32]:
        """The template of the target in a box."""

    @abstractmethod
    def _search(self, template: NDArray[np.float32], frame: Frame, box: Box) -> Said:
        """What the network says of the surroundings of a box."""

    def init(self, image: NDArray[np.uint8], box: Box) -> None:
        """Start following the target in ``box``.

        Args:
            image: uint8 (H, W, 3) BGR.
            box: the target in pixels.

        Raises:
            BoxError: if no target can be in the box.
        """
        frame = Frame.upload(image, "cpu")
        check_target_box(box, frame.width, frame.height)
        self._template = self._look(frame, box)
        self._box = box

    def update(self, image: NDArray[np.uint8]) -> PeerResult:
        """Find the target in the next image; the score is the probability of "target" in the cell that is taken.

        Raises:
            RuntimeError: if ``init`` was not called.
        """
        if self._template is None:
            raise RuntimeError("update() before init(): no target has been given yet")
        frame, box = Frame.upload(image, "cpu"), self._box
        said = self._search(self._template, frame, box)
        scores = 1 / (1 + np.exp(-np.clip(said.logits.astype(np.float64), -60, 60)))
        boxes = boxes_of(said.distances.astype(np.float64), self._points)
        found = follow(scores, boxes, (box.width / said.across, box.height / said.down), self.settings)
        self._box = Box.from_centre(
            min(max(box.centre[0] + found.dx * said.across, 0.0), frame.width),
            min(max(box.centre[1] + found.dy * said.down, 0.0), frame.height),
            min(max(found.width * said.across, self.least_side), frame.width),
            min(max(found.height * said.down, self.least_side), frame.height),
        )
        return PeerResult(self._box, found.score)
