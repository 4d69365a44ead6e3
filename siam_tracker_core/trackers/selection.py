"""Which proposal is the target (SiamRPN section 4.3), for a batch of windows on the device.

Anchors near the centre, a penalty on changes of scale and ratio (equation 13), and a cosine window put the proposals in
an order. The paper then suppresses among the best of them what overlaps with a better one; the first in the order has
no better one and always remains, so finding the target needs no suppression. ``networks.anchors.suppress`` does it
where several proposals are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from siam_tracker_core.networks.anchors import decode
from siam_tracker_core.networks.rpn import Proposals
from siam_tracker_core.trackers.confidence import peak_to_sidelobe

# Cells around the peak that the peak-to-sidelobe ratio leaves out: half the middle anchor.
PEAK_RADIUS = 4


class Preference(NamedTuple):
    """What is preferred among the proposals of one window; without preference but for the size, all are alike.

    Attributes:
        width, height: of the target in pixels of the search crop, as last seen.
        influence: share of the cosine window in the final score.
        penalty: k of equation 13.
        cells: only anchors of the central so many cells are taken.
    """

    width: float
    height: float
    influence: float = 0.0
    penalty: float = 0.0
    cells: float = math.inf


class Ranking(NamedTuple):
    """The proposals of N windows in order.

    Attributes:
        scores: (N, k, rows, columns), probability of "target".
        boxes: (N, k, rows, columns, 4): centre from the crop's middle, width, height, in pixels of the crop.
        factors: (N, k, rows, columns), 0..1, on changes of scale and ratio (equation 13).
        ranks: (N, k, rows, columns), final scores; -1 where anchors are too far from the centre.
    """

    scores: torch.Tensor
    boxes: torch.Tensor
    factors: torch.Tensor
    ranks: torch.Tensor


class Choice(NamedTuple):
    """The proposal that is taken in one window.

    Attributes:
        score: probability of "target".
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
    proposals: Proposals, anchors: torch.Tensor, cosine: torch.Tensor, preferences: Sequence[Preference]
) -> Ranking:
    """Put the proposals of each window in order.

    What is no finite number, as half precision may give, counts as a score of 0 and as no distance from the anchor.

    Args:
        proposals: of N windows.
        anchors: (k, size, size, 4), of their grid.
        cosine: (size, size), the window on displacement.
        preferences: N, one for each window.
    """
    table = torch.from_numpy(np.array(preferences, dtype=np.float32)).to(cosine.device)[..., None, None, None]
    width, height, influence, penalty, cells = table.unbind(dim=1)
    scores = proposals.scores.nan_to_num(nan=0.0)
    boxes = decode(
        proposals.distances.float().nan_to_num(nan=0.0, posinf=0.0, neginf=0.0).permute(0, 2, 3, 4, 1), anchors
    )
    change = shape_change(boxes[..., 2:], torch.stack((width, height), dim=-1))
    # The printed exponent grows with the change; published implementations use this one.
    factors = torch.exp(-(change - 1) * penalty)
    ranks = scores * factors * (1 - influence) + cosine * influence
    return Ranking(scores, boxes, factors, ranks.masked_fill(~centre_region(len(cosine), cells), -1.0))


def choose(ranking: Ranking, surroundings: int) -> tuple[list[Choice], torch.Tensor]:
    """The first proposal of each window.

    Args:
        ranking: of N windows.
        surroundings: side in cells of the region around the peak that the peak-to-sidelobe ratio looks at, so that it
            means the same for larger maps; smaller maps are looked at as a whole.

    Returns:
        N choices, and the score maps (N, rows, columns), the best over anchors.
    """
    count, size = len(ranking.scores), ranking.scores.shape[-1]
    place = ranking.ranks.flatten(1).argmax(dim=1)
    each = torch.arange(count, device=place.device)
    maps = ranking.scores.amax(dim=1)
    cell = place % (size * size)
    psr = peak_to_sidelobe(*surrounding(maps, cell // size, cell % size, min(surroundings, size)), PEAK_RADIUS)
    taken = [part.flatten(1)[each, place] for part in (ranking.scores, ranking.factors)]
    boxes = ranking.boxes.flatten(1, 3)[each, place]
    table = torch.cat([torch.stack([taken[0], psr], dim=1), boxes, taken[1][:, None]], dim=1)
    # One transfer for all windows.
    return [Choice(*row) for row in table.cpu().tolist()], maps


def shape_change(sizes: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
    """max(r/r', r'/r) * max(s/s', s'/s) of equation 13, at least 1; sizes (..., 2) as width and height, broadcast."""

    def padded(size: torch.Tensor) -> torch.Tensor:
        margin = size.sum(dim=-1, keepdim=True) / 2
        return (size + margin).prod(dim=-1).sqrt()

    ratio = (sizes[..., 1] / sizes[..., 0]) / (last[..., 1] / last[..., 0])
    scale = padded(sizes) / padded(last)
    return torch.maximum(ratio, 1 / ratio) * torch.maximum(scale, 1 / scale)


def cosine_window(size: int, device: torch.device) -> torch.Tensor:
    """Hann window (size, size) with maximum one, above zero in all cells."""
    hann = torch.from_numpy(np.hanning(size + 2)[1:-1]).to(device, torch.float32)
    return torch.outer(hann, hann)


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
