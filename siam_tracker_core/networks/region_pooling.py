"""Regions of a feature map as small maps of fixed size: exact average or maximum over fractional bins.

A cell of the map is taken as a square of constant value, and a region is divided into equal bins whose edges may lie
anywhere. The average is the integral over a bin divided by its area, so nothing is rounded (as RoI pooling does, Fast
R-CNN section 2.1) or sampled (as RoIAlign does, Mask R-CNN section 3); it moves smoothly with the region. The maximum
is over all cells that a bin touches. The map continues beyond its border with its outermost cells.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch.nn import functional

Pooling = Literal["average", "max"]

# A cell with less of a bin is only touched by an error of rounding.
TOUCHED = 1e-4


def pool_regions(maps: torch.Tensor, regions: torch.Tensor, cells: int, pooling: Pooling = "average") -> torch.Tensor:
    """Pool regions of several maps, all in one batch.

    Gradients reach the maps, not the regions.

    Args:
        maps: (M, C, H, W); channels last in memory is read without a copy.
        regions: (M, N, 4) of ``x, y, width, height`` in cells of the map, whose first one covers 0..1; positive sides.
        cells: side of the result.
        pooling: ``average`` commutes with any linear map of the channels, ``max`` does not.

    Returns:
        (M, N, cells, cells, C), by row and column, of the maps' type.
    """
    count, channels, height, width = maps.shape
    regions = regions.double() if maps.dtype == torch.float64 else regions.float()
    columns, across = _bins(regions[..., 0], regions[..., 2], cells, width)
    rows, down = _bins(regions[..., 1], regions[..., 3], cells, height)
    starts = torch.arange(count, device=maps.device).view(-1, 1, 1, 1, 1, 1) * (height * width)
    # (M, N, rows, columns, cells of the map down, across)
    places = starts + rows[:, :, :, None, :, None] * width + columns[:, :, None, :, None, :]
    shares = down[:, :, :, None, :, None] * across[:, :, None, :, None, :]
    table = maps.permute(0, 2, 3, 1).reshape(-1, channels)
    places, shares = places.flatten(4).flatten(0, 3), shares.flatten(4).flatten(0, 3)
    pooled = _average(table, places, shares) if pooling == "average" else _maximum(table, places, shares)
    return pooled.view(*regions.shape[:2], cells, cells, channels)


def _bins(starts: torch.Tensor, extents: torch.Tensor, bins: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The cells along one axis that each bin touches, and its share of each.

    Args:
        starts, extents: (M, N) of the regions, in cells.
        bins: how many a region has.
        size: cells of the map.

    Returns:
        Cells, int64, and shares, which sum to 1 and are 0 for cells that are not touched, both (M, N, bins, taps).
    """
    steps = torch.arange(bins, device=starts.device, dtype=starts.dtype)
    length = extents[..., None] / bins
    low = starts[..., None] + steps * length
    taps = int(length.max()) + 2  # a bin of this length touches at most so many cells, wherever it begins
    cells = low.floor()[..., None] + torch.arange(taps, device=starts.device)
    overlap = torch.minimum((low + length)[..., None], cells + 1) - torch.maximum(low[..., None], cells)
    overlap = overlap.clamp_min(0)
    return cells.long().clamp(0, size - 1), overlap / overlap.sum(dim=-1, keepdim=True)


def _average(table: torch.Tensor, places: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Sums (B, C) of the rows of a table at ``places`` (B, K), each times its share."""
    return functional.embedding_bag(places, table, per_sample_weights=shares.to(table.dtype), mode="sum")


def _maximum(table: torch.Tensor, places: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Largest values (B, C) of the rows of a table at ``places`` (B, K) that a bin touches."""
    # In place of cells that are not touched, the one with the largest share.
    best = places.gather(1, shares.argmax(dim=1, keepdim=True))
    places = torch.where(shares > TOUCHED, places, best)
    largest = table[places[:, 0]]
    for place in places.unbind(1)[1:]:
        largest = torch.maximum(largest, table[place])
    return largest
