"""Reading maps around a target: how high they are at it, and what else there is."""

from __future__ import annotations

import math

import numpy as np
import torch

# Cells around a peak that belong to it, also where the target is smaller than a cell.
_LEAST_HALF = 1.0
# A place so far from all cells that less is wanted of them lies outside the map.
_LEAST_WANTED = 0.3


def response_at(response: torch.Tensor, centre: tuple[float, float], deviations: tuple[float, float]) -> float:
    """The highest response in the cells around a place, as a share of what is wanted there.

    What is wanted is a Gaussian whose middle lies between the cells, so that the cells themselves have less than 1.

    Args:
        response: (size, size).
        centre: of the Gaussian, x and y in cells from the map's middle.
        deviations: of the Gaussian in cells.
    """
    values = response.float().cpu().numpy()
    middle = (len(values) - 1) / 2
    column, row = (int(min(max(round(place + middle), 0), len(values) - 1)) for place in centre)
    around = values[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
    off = ((column - middle - centre[0]) / deviations[0]) ** 2 + ((row - middle - centre[1]) / deviations[1]) ** 2
    return float(around.max()) / max(math.exp(-off / 2), _LEAST_WANTED)


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
