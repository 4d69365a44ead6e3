"""Response maps: where the peak is under a window that prefers the middle, and how far it stands out."""

from __future__ import annotations

import numpy as np
import torch


def cosine_window(size: int, inner: bool = False) -> torch.Tensor:
    """Hann window (size, size), float32, at most one.

    Args:
        size: side in cells.
        inner: leave out the zeros at the border, so that all cells are above zero.
    """
    hann = torch.from_numpy(np.hanning(size + 2)[1:-1] if inner else np.hanning(size)).float()
    return torch.outer(hann, hann)


def peak_to_sidelobe(responses: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, radius: int) -> torch.Tensor:
    """How far each map's peak stands out: (peak - mean) / std of the cells away from it (Bolme et al., 2010).

    Args:
        responses: (N, H, W).
        rows, columns: (N,) cell of the peak.
        radius: cells up to this Chebyshev distance belong to the peak.

    Returns:
        (N,) ratio, not negative.
    """
    height, width = responses.shape[1:]
    down = (torch.arange(height, device=responses.device)[None, :, None] - rows[:, None, None]).abs()
    across = (torch.arange(width, device=responses.device)[None, None, :] - columns[:, None, None]).abs()
    outside = (torch.maximum(down, across) > radius).to(responses.dtype)
    count = outside.sum(dim=(1, 2)).clamp_min(1)
    mean = (responses * outside).sum(dim=(1, 2)) / count
    variance = ((responses - mean[:, None, None]).square() * outside).sum(dim=(1, 2)) / count
    peaks = responses[torch.arange(len(responses), device=responses.device), rows, columns]
    return ((peaks - mean) / variance.clamp_min(1e-12).sqrt()).clamp_min(0)


def peaks(responses: torch.Tensor, influence: torch.Tensor, window: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Where responses are highest under a cosine window.

    Args:
        responses: (N, size, size); each is shifted to a least value of 0 and divided by its sum first.
        influence: (N,) share of the window.
        window: (size, size), sums to one.

    Returns:
        int64 (N,) rows, and columns.
    """
    floored = responses - responses.amin(dim=(1, 2), keepdim=True)
    share = influence[:, None, None]
    final = (1 - share) * floored / (floored.sum(dim=(1, 2), keepdim=True) + 1e-16)
    final = final + share * window
    place = final.flatten(1).argmax(dim=1)
    return place // responses.shape[-1], place % responses.shape[-1]
