"""Labels and losses that trackers share."""

from __future__ import annotations

import torch
from torch.nn import functional

from siam_tracker_core.networks.anchors import cell_centres


def response_labels(rows: int, columns: int, centres: torch.Tensor, stride: int, radius: float) -> torch.Tensor:
    """Where the target is in a response map: 1 within ``radius`` of its centre, else 0 (SiamFC equation 4).

    Args:
        rows, columns: of the map.
        centres: (N, 2), the target's displacement (x, y) in search pixels from the middle of the search image.
        stride: of the network in pixels.
        radius: in search pixels, Euclidean, inclusive; 16 at stride 8 gives the reference's 13 cells.

    Returns:
        float32 (N, rows, columns) of 0 and 1.
    """
    offsets = cell_centres(rows, columns, stride, centres.device) - centres[:, None, None]
    return (offsets.square().sum(dim=-1) <= radius**2 + 1e-3).float()


def balanced_logistic_loss(
    logits: torch.Tensor, labels: torch.Tensor, counted: torch.Tensor | None = None
) -> torch.Tensor:
    """Logistic loss in which the positive and the negative cells of each map weigh one half each.

    SiamFC equations 2 and 3 with the reference implementation's class balance; a map without positive cells (a
    negative pair) is weighed by its negative cells alone.

    Args:
        logits, labels: (N, rows, columns); labels are 0 or 1.
        counted: bool (N,), the maps that count; all by default.

    Returns:
        The mean over the maps that count, 0 where none does.
    """
    positive = labels.sum(dim=(1, 2), keepdim=True)
    negative = (1 - labels).sum(dim=(1, 2), keepdim=True)
    halves = torch.where((positive > 0) & (negative > 0), 0.5, 1.0)
    weights = halves * (labels / positive.clamp_min(1) + (1 - labels) / negative.clamp_min(1))
    losses = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    maps = (losses * weights).sum(dim=(1, 2))
    return maps.mean() if counted is None else (maps * counted).sum() / counted.sum().clamp_min(1)
