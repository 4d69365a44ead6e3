"""Elementwise fusion of the responses of several layers (DSiam, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from siam_tracker_core.errors import ConfigError


class LayerFusion(nn.Module):
    """The sum of the layers' responses, each with a weight of its own in every cell (equation 9).

    The weight maps sum to one in every cell because those of all layers but the last are parameters, and the last one
    has what they leave. The first starts with ones and the others with zeros (section 3.6); like the published ones,
    nothing else limits them.

    Args:
        layers: how many.
        cells: rows and columns of the responses.
    """

    def __init__(self, layers: int, cells: int) -> None:
        super().__init__()
        self.layers, self.cells = layers, cells
        if layers > 1:
            start = torch.zeros(layers - 1, cells, cells)
            start[0] = 1
            self.shares = nn.Parameter(start)

    @property
    def weights(self) -> torch.Tensor:
        """Upsilon, (layers, cells, cells)."""
        if self.layers == 1:
            return torch.ones(1, self.cells, self.cells)
        return torch.cat([self.shares, 1 - self.shares.sum(dim=0, keepdim=True)])

    def forward(self, responses: Sequence[torch.Tensor], weights: torch.Tensor | None = None) -> torch.Tensor:
        """The fused response.

        Coarser maps are resampled to the size of the finest: the outermost cells of all maps belong to the same
        displacements.

        Args:
            responses: (N, 1, h, w) of each layer.
            weights: maps (layers, cells, cells) or (layers, 1, 1) in place of Upsilon; None takes Upsilon.

        Raises:
            ConfigError: if the responses have another size than the maps.
        """
        if len(responses) == 1:
            return responses[0]
        weights = self.weights if weights is None else weights
        size = max(response.shape[-1] for response in responses)
        if weights.shape[-1] not in (1, size):
            raise ConfigError(
                f"the responses have {size}x{size} cells and the fusion's weight maps {weights.shape[-1]}x"
                f"{weights.shape[-1]}; search and exemplar sizes must be those of the weights' training"
            )
        fused = torch.zeros((), device=responses[0].device)
        for response, weight in zip(responses, weights, strict=True):
            if response.shape[-1] != size:
                response = functional.interpolate(response, size=(size, size), mode="bilinear", align_corners=True)
            fused = fused + weight * response
        return fused
