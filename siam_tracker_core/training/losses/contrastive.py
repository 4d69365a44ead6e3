"""The contrastive loss with margin (SRT equation 4)."""

from __future__ import annotations

import torch


def contrastive_loss(
    squared: torch.Tensor, positive: torch.Tensor, margin: float, counted: torch.Tensor | None = None
) -> torch.Tensor:
    """Attracts positive pairs, and pushes negative ones apart up to a margin: the mean of
    ``y D^2 / 2 + (1 - y) max(0, margin - D^2) / 2``.

    Args:
        squared: squared distances D^2 of embeddings, of any shape.
        positive: bool of that shape, y.
        margin: epsilon, a squared distance.
        counted: bool of that shape, the pairs that count; all by default.

    Returns:
        The mean over the pairs that count, 0 where none does.
    """
    losses = 0.5 * torch.where(positive, squared, (margin - squared).clamp_min(0))
    return losses.mean() if counted is None else (losses * counted).sum() / counted.sum().clamp_min(1)
