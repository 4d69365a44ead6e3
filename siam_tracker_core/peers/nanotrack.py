"""NanoTrack v3, a published tracker, on ONNX Runtime with its own settings.

Source of network and settings: HonglinChu/SiamTrackers, folder NanoTrack (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box, Window, context_size
from siam_tracker_core.peers.anchor_free import Following
from siam_tracker_core.peers.anchor_free_peer import AnchorFreePeer, Said
from siam_tracker_core.peers.onnx_network import OnnxNetwork, Signature

NAME = "nanotrack_v3"
FILES = ("nanotrack_backbone.onnx", "nanotrack_head.onnx")
SETTINGS = Following(penalty=0.138, window=0.455, size_rate=0.348)
EXEMPLAR, SEARCH = 127, 255
CELLS = 15
LEAST_SIDE = 10.0

# Its published runtimes take x + width / 2 for the index of a pixel, which lies half a pixel to the right of and below
# that point in the coordinates of ``geometry``. Without it the success AUC on our test videos is 0.709, with it 0.714.
_INDEX_SHIFT = 0.5

BACKBONE = Signature(
    {"input": (1, 3, None, None)},
    {"output": (1, 96, None, None)},
    free=[("input", 2), ("input", 3), ("output", 2), ("output", 3)],
)
HEAD = Signature(
    {"input1": (1, 96, 8, 8), "input2": (1, 96, 16, 16)},
    {"output1": (1, 2, CELLS, CELLS), "output2": (1, 4, CELLS, CELLS)},
)


class NanoTrackV3(AnchorFreePeer):
    """NanoTrack v3; see ``AnchorFreePeer``."""

    name, files, settings = NAME, FILES, SETTINGS
    cells, least_side = CELLS, LEAST_SIDE

    def _load(self, paths: Sequence[Path]) -> None:
        self._backbone, self._head = OnnxNetwork(paths[0], BACKBONE), OnnxNetwork(paths[1], HEAD)

    def _look(self, frame: Frame, box: Box) -> NDArray[np.float32]:
        return self._features(frame, _window(box), EXEMPLAR)

    def _search(self, template: NDArray[np.float32], frame: Frame, box: Box) -> Said:
        window = _window(box).scaled(SEARCH / EXEMPLAR)
        logits, distances = self._head(input1=template, input2=self._features(frame, window, SEARCH))
        pixels = window.size / SEARCH
        return Said(logits[0, 1] - logits[0, 0], distances[0], pixels, pixels)

    def _features(self, frame: Frame, window: Window, size: int) -> NDArray[np.float32]:
        return self._backbone(input=np.ascontiguousarray(frame.crops([window], size).numpy()))[0]


def _window(box: Box) -> Window:
    """The exemplar's window around a box."""
    x, y = box.centre
    return Window(x + _INDEX_SHIFT, y + _INDEX_SHIFT, context_size(box.width, box.height))
