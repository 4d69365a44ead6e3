"""The peaks of a target's responses as places in the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.geometry import Window


class Spots(NamedTuple):
    """The peaks of one target in one frame that are near its highest, float64 (n,) each; window by window.

    Attributes:
        window: index of the target's window.
        x, y: in image pixels.
        peak: response without its bias.
        psr: peak-to-sidelobe ratio.
        matching: response as the gate takes it.
        ratio: to the highest peak.
    """

    window: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    peak: NDArray[np.float64]
    psr: NDArray[np.float64]
    matching: NDArray[np.float64]
    ratio: NDArray[np.float64]


def placed(table: NDArray[np.float64], windows: Sequence[Window], pixels: float, near: float) -> Spots:
    """The peaks of one target in the image; the middle of its first window where the response is no number anywhere.

    Args:
        table: (6, windows, K): place across and down in cells, then the other columns of ``Spots``.
        windows: of the target.
        pixels: side of a cell as a share of its window.
        near: the ratio to the highest peak that others must exceed.
    """
    frames = np.array([[window.centre_x, window.centre_y, window.size * pixels] for window in windows])
    share = table[5]
    number, kept = np.nonzero((share > near) | (share == 1))
    if not len(number):
        unknown = np.full(1, np.nan)
        return Spots(np.zeros(1), frames[:1, 0], frames[:1, 1], unknown, unknown, unknown, np.ones(1))
    across, down, *rest = table[:, number, kept]
    x, y, cell = frames[number].T
    return Spots(number.astype(np.float64), x + across * cell, y + down * cell, *rest)
