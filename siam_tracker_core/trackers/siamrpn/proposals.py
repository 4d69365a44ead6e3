"""Which proposal is the target (SiamRPN section 4.3), for a batch of windows on the device.

It works on what any head gives: scores, and boxes in pixels of the crop, one or several in each cell.

Boxes of cells near the centre, a penalty on changes of scale and ratio (equation 13), and a cosine window put the
proposals in an order. The paper then suppresses among the best of them what overlaps with a better one; the first in
the order has no better one and always remains, so finding the target needs no suppression.
``networks.anchors.suppress`` does it where several proposals are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from siam_tracker_core.trackers.common.response import peak_to_sidelobe

# Pixels around the peak that the peak-to-sidelobe ratio leaves out: half the middle anchor, and half a usual target.
PEAK_EXTENT = 32


class Preference(NamedTuple):
    """What is preferred among the proposals of one window; without preference but for the size, all are alike.

    Attributes:
        width, height: of the target in pixels of the search crop, as last seen.
        influence: share of the cosine window in the final score.
        penalty_k: k of equation 13.
        cells: only boxes of the central so many cells are taken.
    """

    width: float
    height: float
    influence: float = 0.0
    penalty_k: float = 0.0
    cells: float = math.inf


class Votes(NamedTuple):
    """A second opinion on N windows, from a filter that learns (``trackers.online``).

    Attributes:
        responses: (N, rows, columns), 1 where a cell is as much like the target as it can be.
        shares: N, the share of each in the scores that proposals are put in order by.
    """

    responses: torch.Tensor
    shares: Sequence[float]


class Ranking(NamedTuple):
    """The proposals of N windows in order.

    Attributes:
        scores: (N, k, rows, columns), probability of "target".
        boxes: (N, k, rows, columns, 4): centre from the crop's middle, width, height, in pixels of the crop.
        factors: (N, k, rows, columns), 0..1, on changes of scale and ratio (equation 13).
        ranks: (N, k, rows, columns), final scores; -1 where cells are too far from the centre.
        known: bool (N,), whether any score of a window was a number.
    """

    scores: torch.Tensor
    boxes: torch.Tensor
    factors: torch.Tensor
    ranks: torch.Tensor
    known: torch.Tensor


class Proposal(NamedTuple):
    """The proposal that is taken in one window.

    Attributes:
        score: probability of "target"; no number where the network gave none.
        psr: peak-to-sidelobe ratio of the scores there.
        dx, dy: its centre from the crop's middle, in pixels of the crop.
        width, height: in pixels of the crop.
        factor: 0..1, on its change of scale and ratio.
    """

    score: float
    psr: float
    dx: float
    dy: float
    width: float
    height: float
    factor: float


def rank(
    scores: torch.Tensor,
    boxes: torch.Tensor,
    cosine: torch.Tensor,
    preferences: Sequence[Preference],
    votes: Votes | None = None,
) -> Ranking:
    """Put the proposals of each window in order.

    A score that is no number, as half precision may give, counts as 0.

    Args:
        scores, boxes: of N windows, see ``Ranking``.
        cosine: (size, size), the window on displacement.
        preferences: N, one for each window.
        votes: of N windows; they change the order, and no score.
    """
    table = torch.from_numpy(np.array(preferences, dtype=np.float32)).to(cosine.device)[..., None, None, None]
    width, height, influence, penalty_k, cells = table.unbind(dim=1)
    known = scores.isfinite().flatten(1).any(dim=1)
    scores = scores.nan_to_num(nan=0.0)
    change = shape_change(boxes[..., 2:], torch.stack((width, height), dim=-1))
    # The printed exponent grows with the change; published implementations use this one.
    factors = torch.exp(-(change - 1) * penalty_k)
    ranks = fused(scores, votes) * factors * (1 - influence) + cosine * influence
    return Ranking(scores, boxes, factors, ranks.masked_fill(~centre_region(len(cosine), cells), -1.0), known)


def fused(scores: torch.Tensor, votes: Votes | None) -> torch.Tensor:
    """Scores (N, k, rows, columns) with the share of the votes for each window."""
    if votes is None:
        return scores
    shares = torch.tensor(votes.shares, dtype=scores.dtype).to(scores.device)[:, None, None, None]
    liked = votes.responses.nan_to_num(nan=0.0).clamp(0, 1)[:, None]
    return scores * (1 - shares) + liked * shares


def choose(ranking: Ranking, surroundings: int, radius: int) -> tuple[list[Proposal], torch.Tensor]:
    """The first proposal of each window.

    Args:
        ranking: of N windows.
        surroundings: side in cells of the region around the peak that the peak-to-sidelobe ratio looks at, so that it
            means the same for larger maps; smaller maps are looked at as a whole.
        radius: cells around the peak that it leaves out.

    Returns:
        N proposals, and the score maps (N, rows, columns), the best over anchors.
    """
    count, size = len(ranking.scores), ranking.scores.shape[-1]
    place = ranking.ranks.flatten(1).argmax(dim=1)
    each = torch.arange(count, device=place.device)
    maps = ranking.scores.amax(dim=1)
    cell = place % (size * size)
    psr = peak_to_sidelobe(*surrounding(maps, cell // size, cell % size, min(surroundings, size)), radius)
    taken = [part.flatten(1)[each, place] for part in (ranking.scores, ranking.factors)]
    taken[0] = torch.where(ranking.known, taken[0], torch.nan)
    boxes = ranking.boxes.flatten(1, 3)[each, place]
    table = torch.cat([torch.stack([taken[0], psr], dim=1), boxes, taken[1][:, None]], dim=1)
    # One transfer for all windows.
    return [Proposal(*row) for row in table.cpu().tolist()], maps


def shape_change(sizes: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
    """max(r/r', r'/r) * max(s/s', s'/s) of equation 13, at least 1; sizes (..., 2) as width and height, broadcast."""

    def padded(size: torch.Tensor) -> torch.Tensor:
        margin = size.sum(dim=-1, keepdim=True) / 2
        return (size + margin).prod(dim=-1).sqrt()

    ratio = (sizes[..., 1] / sizes[..., 0]) / (last[..., 1] / last[..., 0])
    scale = padded(sizes) / padded(last)
    return torch.maximum(ratio, 1 / ratio) * torch.maximum(scale, 1 / scale)


def centre_region(size: int, cells: torch.Tensor) -> torch.Tensor:
    """The central cells of maps, g x g in section 4.3.

    Args:
        size: side of the maps in cells.
        cells: (N, 1, 1, 1), sides of the regions; where so many cells have no common middle with the map, one more.

    Returns:
        bool (N, 1, size, size).
    """
    distance = (torch.arange(size, device=cells.device) - (size - 1) / 2).abs()
    inside = distance <= cells / 2
    return inside & inside.mT


def surrounding(
    maps: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, size: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The part (N, size, size) of each map around a cell, moved inward at the border, and the cell's place in it."""
    steps = torch.arange(size, device=maps.device)
    first = [(place - size // 2).clamp(0, maps.shape[-1] - size) for place in (rows, columns)]
    each = torch.arange(len(maps), device=maps.device)[:, None, None]
    parts = maps[each, (first[0][:, None] + steps)[:, :, None], (first[1][:, None] + steps)[:, None]]
    return parts, rows - first[0], columns - first[1]
