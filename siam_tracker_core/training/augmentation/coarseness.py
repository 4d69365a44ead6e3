"""Small targets: crops that show no more than a camera would have seen of a target far away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch.nn import functional

from siam_tracker_core.config import STRICT
from siam_tracker_core.limits import Share


@dataclass(frozen=True)
class Coarseness:
    """How often, and how much, detail is taken away.

    A tracker's crops show every target at one size; of one that is small in the picture they are enlarged, and blurred.
    Prepared tracks hold few such targets. Not in the papers.

    Attributes:
        probability: probability that a pair loses detail.
        max_factor: largest factor of the enlargement that is imitated; drawn evenly on a logarithmic scale from 1.
    """

    probability: Share = 0.0
    max_factor: Annotated[float, Ge(1)] = 6.0

    __pydantic_config__ = STRICT
    __renamed__: ClassVar[dict[str, str]] = {"most": "max_factor", "share": "probability"}

    def draw(self, count: int, generator: torch.Generator) -> list[float]:
        """A factor for each pair, 1 for those that stay as they are; the generator is on the CPU."""
        chosen = torch.rand(count, generator=generator) < self.probability
        factors = self.max_factor ** torch.rand(count, generator=generator)
        return torch.where(chosen, factors, 1.0).tolist()


def coarsen(images: torch.Tensor, factors: list[float]) -> torch.Tensor:
    """Reduce images and enlarge them again.

    Args:
        images: float (N, C, H, W).
        factors: N numbers of 1 or more; 1 leaves an image as it is.

    Returns:
        The same shape and range. Reduced pixels are averages over what they cover; enlarging is bilinear, as cutting
        crops is.
    """
    size = images.shape[2:]
    result = images.clone()
    for index, factor in enumerate(factors):
        if factor > 1:
            small = [max(round(side / factor), 1) for side in size]
            reduced = functional.interpolate(images[index, None], small, mode="bilinear", antialias=True)
            result[index] = functional.interpolate(reduced, size, mode="bilinear")[0]
    return result
