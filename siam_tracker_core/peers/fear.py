"""FEAR-XS (Borsuk et al., ECCV 2022), a published tracker, on ONNX Runtime with its own settings.

Source of network and settings: PinataFarms/FEARTracker (MIT).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box
from siam_tracker_core.peers.anchor_free import Following
from siam_tracker_core.peers.anchor_free_peer import AnchorFreePeer, Said
from siam_tracker_core.peers.onnx_network import OnnxNetwork, Signature

NAME = "fear_xs"
FILES = ("fear_xs_features.onnx", "fear_xs_track.onnx")
SETTINGS = Following(penalty=0.062, window=0.38, size_rate=0.765)
TEMPLATE, SEARCH = 128, 256  # pixels a side of the crops
TEMPLATE_CONTEXT, SEARCH_CONTEXT = 1.4, 5.0  # of the box along either axis
CELLS = 16
LEAST_SIDE = 3.0

FEATURES = Signature({"image": (1, 3, None, None)}, {"features": (1, 256, None, None)})
TRACK = Signature(
    {"image": (1, 3, SEARCH, SEARCH), "template_features": (1, 256, 8, 8)},
    {"bbox": (1, 4, CELLS, CELLS), "cls": (1, 1, CELLS, CELLS)},
)


class FearXS(AnchorFreePeer):
    """FEAR-XS; see ``AnchorFreePeer``."""

    name, files, settings = NAME, FILES, SETTINGS
    cells, least_side = CELLS, LEAST_SIDE

    def _load(self, paths: Sequence[Path]) -> None:
        self._features, self._track = OnnxNetwork(paths[0], FEATURES), OnnxNetwork(paths[1], TRACK)

    def _look(self, frame: Frame, box: Box) -> NDArray[np.float32]:
        return self._features(image=_patch(frame, box, TEMPLATE_CONTEXT, TEMPLATE))[0]

    def _search(self, template: NDArray[np.float32], frame: Frame, box: Box) -> Said:
        distances, logits = self._track(image=_patch(frame, box, SEARCH_CONTEXT, SEARCH), template_features=template)
        side = SEARCH / SEARCH_CONTEXT  # of the target in the crop, whatever its shape
        return Said(logits[0, 0], distances[0], box.width / side, box.height / side)


def _patch(frame: Frame, box: Box, context: float, size: int) -> NDArray[np.float32]:
    """The box with its surroundings, stretched to a square: (1, 3, size, size) RGB in 0..255."""
    region = Box.from_centre(*box.centre, box.width * context, box.height * context)
    patch = frame.patches(region.to_array()[None], size).numpy()
    return np.ascontiguousarray(patch[:, ::-1])
