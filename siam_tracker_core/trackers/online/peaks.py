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
    column, row = _nearest(len(response), centre)
    around = response[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
    return float(around.max())


def likeness_at(response: torch.Tensor, centre: tuple[float, float], deviations: tuple[float, float]) -> float:
    """The response at a place as a share of what is wanted there.

    What is wanted is a Gaussian whose middle lies between the cells, so that the cells themselves have less than 1.

    Args:
        response: (size, size).
        centre: of the Gaussian, x and y in cells from the map's middle.
        deviations: of the Gaussian in cells.
    """
    middle = (len(response) - 1) / 2
    away = [
        (cell - middle - place) / deviation
        for cell, place, deviation in zip(_nearest(len(response), centre), centre, deviations, strict=True)
    ]
    wanted = math.exp(-sum(part**2 for part in away) / 2)
    return response_at(response, centre) / max(wanted, _LEAST_WANTED)


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
