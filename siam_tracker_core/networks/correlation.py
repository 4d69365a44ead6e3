"""Cross-correlation of an exemplar with search features, the heart of every Siamese tracker (SiamFC equation 1)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


def cross_correlation(exemplar: torch.Tensor, search: torch.Tensor) -> torch.Tensor:
    """Slide each exemplar over its own search features.

    Args:
        exemplar: (N, C, h, w).
        search: (N * M, C, H, W), M search images in a row for every exemplar.

    Returns:
        (N * M, 1, H - h + 1, W - w + 1).
    """
    count, channels = exemplar.shape[:2]
    each = search.shape[0] // count
    if count == 1:
        return functional.conv2d(search, exemplar)
    rows, columns = search.shape[2:]
    # Exemplars become groups of one convolution, so that all of them take a single call.
    stacked = search.view(count, each, channels, rows, columns).transpose(0, 1)
    response = functional.conv2d(stacked.reshape(each, count * channels, rows, columns), exemplar, groups=count)
    return response.transpose(0, 1).reshape(count * each, 1, *response.shape[2:])


class Correlation(nn.Module):
    """Cross-correlation with a fixed gain and a learned bias: ``gain * (z * x) + b``.

    The reference implementation fixes the gain at 1e-3 and learns the bias (its ``adjust`` layer); the response is then
    the logit of "the target is here".

    Args:
        gain: factor on the raw correlation.
    """

    def __init__(self, gain: float = 1e-3) -> None:
        super().__init__()
        self.gain = gain
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, exemplar: torch.Tensor, search: torch.Tensor) -> torch.Tensor:
        return self.raw(exemplar, search) + self.bias

    def raw(self, exemplar: torch.Tensor, search: torch.Tensor) -> torch.Tensor:
        """The response without its bias, so that factors on it (SiamFC's penalty on scales) only ever lower a peak."""
        return cross_correlation(exemplar, search) * self.gain
