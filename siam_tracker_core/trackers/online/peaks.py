"""Reading maps around a target: how high they are at it, and what else there is."""

from __future__ import annotations

import numpy as np
import torch

# Cells around a peak that belong to it, also where the target is smaller than a cell.
_LEAST_HALF = 1.0


def response_at(response: torch.Tensor, centre: tuple[float, float]) -> float:
    """The highest response in the cells around a place.

    Args:
        response: (size, size).
        centre: x and y in cells from the map's middle.
    """
    values = response.float().cpu().numpy()
    size = len(values)
    column, row = (int(min(max(round(place + (size - 1) / 2), 0), size - 1)) for place in centre)
    return float(values[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2].max())


def rival(scores: torch.Tensor, centre: tuple[float, float], half: tuple[float, float]) -> float:
    """The highest score outside the target.

    Args:
        scores: (size, size).
        centre: of the target, x and y in cells from the map's middle.
        half: half of its sides in cells.

    Returns:
        0 where the target fills the map.
    """
    values = scores.float().cpu().numpy()
    steps = np.arange(len(values)) - (len(values) - 1) / 2
    width, height = (max(side, _LEAST_HALF) + 0.5 for side in half)
    inside = (abs(steps - centre[1]) <= height)[:, None] & (abs(steps - centre[0]) <= width)
    outside = values[~inside]
    return float(outside.max()) if outside.size else 0.0
