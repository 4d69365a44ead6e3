"""FEAR-XS (Borsuk et al., ECCV 2022), a published tracker, on ONNX Runtime with its own settings.

Source of network and settings: PinataFarms/FEARTracker (MIT).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box, check_target_box
from siam_tracker_core.peers.anchor_free import Following, boxes_of, follow, points
from siam_tracker_core.peers.files import find_files, hashes
from siam_tracker_core.peers.onnx_network import OnnxNetwork, Signature
from siam_tracker_core.peers.result import PeerResult

NAME = "fear_xs"
FILES = ("fear_xs_features.onnx", "fear_xs_track.onnx")
SETTINGS = Following(penalty=0.062, window=0.38, size_rate=0.765)
TEMPLATE, SEARCH = 128, 256  # pixels a side of the crops
TEMPLATE_CONTEXT, SEARCH_CONTEXT = 1.4, 5.0  # of the box along either axis
STRIDE, CELLS = 16, 16
LEAST_SIDE = 3.0

_FEATURES = Signature({"image": (1, 3, None, None)}, {"features": (1, 256, None, None)})
_TRACK = Signature(
    {"image": (1, 3, SEARCH, SEARCH), "template_features": (1, 256, 8, 8)},
    {"bbox": (1, 4, CELLS, CELLS), "cls": (1, 1, CELLS, CELLS)},
)


class FearXS:
    """FEAR-XS with ``init`` and ``update`` as our trackers have.

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
        self._features, self._track = OnnxNetwork(paths[0], _FEATURES), OnnxNetwork(paths[1], _TRACK)
        self._template: NDArray[np.float32] | None = None
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
        self._template = self._features(image=_patch(frame, box, TEMPLATE_CONTEXT, TEMPLATE))[0]
        self._box = box

    def update(self, image: NDArray[np.uint8]) -> PeerResult:
        """Find the target in the next image; the score is the probability of "target" in the cell that is taken.

        Raises:
            RuntimeError: if ``init`` was not called.
        """
        if self._template is None:
            raise RuntimeError("update() before init(): no target has been given yet")
        frame, box = Frame.upload(image, "cpu"), self._box
        distances, logits = self._track(
            image=_patch(frame, box, SEARCH_CONTEXT, SEARCH), template_features=self._template
        )
        scores = 1 / (1 + np.exp(-np.clip(logits[0, 0].astype(np.float64), -60, 60)))
        side = SEARCH / SEARCH_CONTEXT  # of the target in the crop, whatever its shape
        found = follow(scores, boxes_of(distances[0].astype(np.float64), self._points), (side, side), SETTINGS)
        across, down = box.width / side, box.height / side  # image pixels a crop pixel
        self._box = Box.from_centre(
            min(max(box.centre[0] + found.dx * across, 0.0), frame.width),
            min(max(box.centre[1] + found.dy * down, 0.0), frame.height),
            min(max(found.width * across, LEAST_SIDE), frame.width),
            min(max(found.height * down, LEAST_SIDE), frame.height),
        )
        return PeerResult(self._box, found.score)


def _patch(frame: Frame, box: Box, context: float, size: int) -> NDArray[np.float32]:
    """The box with its surroundings, stretched to a square: (1, 3, size, size) RGB in 0..255."""
    region = Box.from_centre(*box.centre, box.width * context, box.height * context)
    patch = frame.patches(region.to_array()[None], size).numpy()
    return np.ascontiguousarray(patch[:, ::-1])
