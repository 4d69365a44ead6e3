"""NanoTrack v3, a published tracker, on ONNX Runtime with its own settings.

Source of network and settings: HonglinChu/SiamTrackers, folder NanoTrack (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box, Window, check_target_box, context_size
from siam_tracker_core.peers.anchor_free import Following, boxes_of, follow, points
from siam_tracker_core.peers.files import find_files, hashes
from siam_tracker_core.peers.onnx_network import OnnxNetwork, Signature
from siam_tracker_core.peers.result import PeerResult

NAME = "nanotrack_v3"
FILES = ("nanotrack_backbone.onnx", "nanotrack_head.onnx")
SETTINGS = Following(penalty=0.138, window=0.455, size_rate=0.348)
EXEMPLAR, SEARCH = 127, 255
STRIDE, CELLS = 16, 15
LEAST_SIDE = 10.0

# Its published runtimes take x + width / 2 for the index of a pixel, which lies half a pixel to the right of and below
# that point in the coordinates of ``geometry``. Without it the success AUC on our test videos is 0.709, with it 0.714.
_INDEX_SHIFT = 0.5

_BACKBONE = Signature(
    {"input": (1, 3, None, None)},
    {"output": (1, 96, None, None)},
    free=[("input", 2), ("input", 3), ("output", 2), ("output", 3)],
)
_HEAD = Signature(
    {"input1": (1, 96, 8, 8), "input2": (1, 96, 16, 16)},
    {"output1": (1, 2, CELLS, CELLS), "output2": (1, 4, CELLS, CELLS)},
)


class NanoTrackV3:
    """NanoTrack v3 with ``init`` and ``update`` as our trackers have.

    Args:
        folders: where ``FILES`` may lie; see ``find_files``.

    Attributes:
        name: for results and tables.
        weights_hashes: SHA-256 of the weights files by file name.

    Raises:
        ConfigError: if ONNX Runtime is not installed.
        WeightsError: if a file is missing, truncated, or of another network.
    """

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self.name = NAME
        paths = find_files(NAME, FILES, folders)
        self.weights_hashes = hashes(paths)
        self._backbone, self._head = OnnxNetwork(paths[0], _BACKBONE), OnnxNetwork(paths[1], _HEAD)
        self._exemplar: NDArray[np.float32] | None = None
        self._box = Box(0, 0, 0, 0)
        self._points = points(CELLS, STRIDE, CELLS // 2)

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
        self._exemplar = self._features(frame, _window(box), EXEMPLAR)
        self._box = box

    def update(self, image: NDArray[np.uint8]) -> PeerResult:
        """Find the target in the next image; the score is the probability of "target" in the cell that is taken.

        Raises:
            RuntimeError: if ``init`` was not called.
        """
        if self._exemplar is None:
            raise RuntimeError("update() before init(): no target has been given yet")
        frame, box = Frame.upload(image, "cpu"), self._box
        window = _window(box).scaled(SEARCH / EXEMPLAR)
        logits, distances = self._head(input1=self._exemplar, input2=self._features(frame, window, SEARCH))
        difference = logits[0, 0].astype(np.float64) - logits[0, 1]
        scores = 1 / (1 + np.exp(np.clip(difference, -60, 60)))
        scale = SEARCH / window.size
        boxes = boxes_of(distances[0].astype(np.float64), self._points)
        found = follow(scores, boxes, (box.width * scale, box.height * scale), SETTINGS)
        self._box = Box.from_centre(
            min(max(box.centre[0] + found.dx / scale, 0.0), frame.width),
            min(max(box.centre[1] + found.dy / scale, 0.0), frame.height),
            min(max(found.width / scale, LEAST_SIDE), frame.width),
            min(max(found.height / scale, LEAST_SIDE), frame.height),
        )
        return PeerResult(self._box, found.score)

    def _features(self, frame: Frame, window: Window, size: int) -> NDArray[np.float32]:
        return self._backbone(input=np.ascontiguousarray(frame.crops([window], size).numpy()))[0]


def _window(box: Box) -> Window:
    """The exemplar's window around a box."""
    x, y = box.centre
    return Window(x + _INDEX_SHIFT, y + _INDEX_SHIFT, context_size(box.width, box.height))
