"""Reading maps around a target: how high they are at it, and what else there is."""

from __future__ import annotations

import math

import numpy as np
import torch

# Cells around a peak that belong to it, also where the target is smaller than a cell.
_LEAST_HALF = 1.0
# A place so far from all cells that less is wanted of them lies outside the map.
_LEAST_WANTED = 0.3


def response_at(response: torch.Tensor, centre: tuple[float, float]) -> float:
    """The highest response in the cells around a place.

    Args:
        response: (size, size).
        centre: x and y in cells from the map's middle.
    """
    values = response.float().cpu().numpy()
    column, row = _nearest(len(values), centre)
    return float(values[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2].max())


def wanted_at(size: int, centre: tuple[float, float], deviations: tuple[float, float]) -> float:
    """What a Gaussian has in the cell nearest to its middle, which lies between the cells: 1 or less.

    Args:
        size: side of the map in cells.
        centre: of the Gaussian, x and y in cells from the map's middle.
        deviations: of the Gaussian in cells.
    """
    middle = (size - 1) / 2
    away = [
        (cell - middle - place) / deviation
        for cell, place, deviation in zip(_nearest(size, centre), centre, deviations, strict=True)
    ]
    return max(math.exp(-sum(part**2 for part in away) / 2), _LEAST_WANTED)


def _nearest(size: int, centre: tuple[float, float]) -> tuple[int, int]:
    """Column and row of the cell that is nearest to a place."""
    column, row = (int(min(max(round(place + (size - 1) / 2), 0), size - 1)) for place in centre)
    return column, row


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
