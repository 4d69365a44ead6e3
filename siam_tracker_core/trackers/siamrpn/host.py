"""``rank`` and ``choose`` of ``proposals`` for windows whose answers are in the computer's own memory.

The maps have a few hundred cells, so that nearly all that PyTorch needs for its forty small steps goes into starting
them. NumPy starts them five times as fast. That goes for a GPU too, which takes 2.2 ms to be told these steps of one
window (docs/performance.md), and the maps of a window come from it in two small transfers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from siam_tracker_core.trackers.siamrpn.proposals import Preference, Proposal, Votes, fused

Map = NDArray[np.float32]

# So many windows of a GPU's are chosen from here; of more it is faster itself, for its steps are those of one.
HOST_WINDOWS = 8


def choose_on_host(
    scores: torch.Tensor,
    boxes: torch.Tensor,
    cosine: torch.Tensor,
    preferences: Sequence[Preference],
    surroundings: int,
    radius: int,
    votes: Votes | None = None,
) -> tuple[list[Proposal], torch.Tensor]:
    """The first proposal of each window; as ``rank`` and ``choose``, with the window and the answers on the CPU."""
    scores, boxes = scores.float().cpu(), boxes.float().cpu()
    votes = votes and votes._replace(responses=votes.responses.cpu())
    given, corners = scores.numpy(), boxes.numpy()
    known = np.isfinite(given).reshape(len(given), -1).any(axis=1)
    values: Map = given if np.isfinite(given).all() else np.nan_to_num(given, nan=0.0)
    wanted = np.array(preferences, dtype=np.float32).T[:, :, None, None, None]
    width, height, influence, penalty_k, _ = wanted
    with np.errstate(all="ignore"):  # what is no number is told by ``known``, as in PyTorch
        change = shape_change(corners[..., 2], corners[..., 3], width, height)
        factors = np.exp((1 - change) * penalty_k)
        liked = values if votes is None else fused(torch.from_numpy(values), votes).numpy()
        ranks = liked * factors * (1 - influence) + cosine.numpy() * influence
    size = values.shape[-1]
    for number, preference in enumerate(preferences):
        if preference.cells < size:
            ranks[number][:, ~_centre(size, preference.cells)] = -1.0
    maps = values.max(axis=1)
    places = ranks.reshape(len(ranks), -1).argmax(axis=1)
    proposals = []
    for n, place in enumerate(places):
        anchor, row, column = map(int, np.unravel_index(place, values.shape[1:]))
        score = float(values[n, anchor, row, column]) if known[n] else math.nan
        psr = _peak_to_sidelobe(maps[n], row, column, min(surroundings, size), radius)
        dx, dy, *sides = corners[n, anchor, row, column].tolist()
        proposals.append(Proposal(score, psr, dx, dy, sides[0], sides[1], float(factors[n, anchor, row, column])))
    return proposals, torch.from_numpy(maps)


def shape_change(width: Map, height: Map, last_width: Map, last_height: Map) -> Map:
    """max(r/r', r'/r) * max(s/s', s'/s) of equation 13, at least 1; widths and heights broadcast."""
    ratio = (height / width) * (last_width / last_height)
    scale = _padded(width, height) / _padded(last_width, last_height)
    change: Map = np.maximum(ratio, 1 / ratio) * np.maximum(scale, 1 / scale)
    return change


def _padded(width: Map, height: Map) -> Map:
    margin = (width + height) / 2
    side: Map = np.sqrt((width + margin) * (height + margin))
    return side


def _centre(size: int, cells: float) -> NDArray[np.bool_]:
    inside = np.abs(np.arange(size) - (size - 1) / 2) <= cells / 2
    return inside[:, None] & inside[None]


def _peak_to_sidelobe(best: Map, row: int, column: int, size: int, radius: int) -> float:
    """``peak_to_sidelobe`` of the part of a map around a cell, from sums over it and over the peak inside it."""
    rows, columns = best.shape
    top, left = min(max(row - size // 2, 0), rows - size), min(max(column - size // 2, 0), columns - size)
    part = best[top : top + size, left : left + size].astype(np.float64)
    row, column = row - top, column - left
    peak = part[max(row - radius, 0) : row + radius + 1, max(column - radius, 0) : column + radius + 1]
    count = max(part.size - peak.size, 1)
    mean = (part.sum() - peak.sum()) / count
    part -= mean  # the peak is a view of it
    squares = np.vdot(part, part) - np.vdot(peak, peak)
    return max(0.0, float(part[row, column]) / math.sqrt(max(float(squares) / count, 1e-12)))
