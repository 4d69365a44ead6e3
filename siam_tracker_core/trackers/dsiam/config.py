"""Settings of DSiam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from siam_tracker_core.networks.dsiam import Blend
from siam_tracker_core.trackers.common.limits import Positive, Share
from siam_tracker_core.trackers.siamfc import ScaleSearchConfig


@dataclass(frozen=True)
class DSiamConfig(ScaleSearchConfig):
    """Settings of the tracker; defaults are the published code's.

    Attributes:
        appearance: what the exemplar follows the target's look by: ``learned`` (V), ``previous`` (it is replaced by the
            target as it was last seen, the naive update of Figure 9) or ``off``.
        appearance_rate: share of the exemplar that V transforms; the paper's form is 1.
        suppression: whether W suppresses the background.
        suppression_rate: share of the search features that W transforms; the paper's form is 1.
        windowed: multiply features with a Hann window before each transform, which the paper does not do.
        border_window: darken the neighbourhood towards its border by a Hamming and a Hann window, as published.
        weighting_sigma: standard deviation in search pixels of the Gaussian that darkens it on top of that; the
            published one is as good as flat, the paper gives none.
        threshold: a frame is confident, and is learned from, where the response with the learned bias is above it.
        after_doubt: what a frame that is not confident does to the transformations: ``off`` as in the paper, or
            ``keep`` those of the last confident one. A LOST target is always searched without any.
        fusion: of the layers' responses: ``elementwise`` (Upsilon), ``fixed`` or the ``first`` layer alone.
        fusion_share: weight of the first layer with ``fixed``; the others share the rest.
        appearance_ridge, suppression_ridge: lambda_v and lambda_w of all layers, by cell (see ``networks.dynamic``), in
            place of those of the weights.
    """

    appearance: Literal["learned", "previous", "off"] = "learned"
    appearance_rate: Share = 0.49
    suppression: bool = True
    suppression_rate: Share = 0.29
    windowed: bool = True
    border_window: bool = True
    weighting_sigma: Positive = 12700.0
    threshold: float = 0.0
    after_doubt: Literal["off", "keep"] = "off"
    fusion: Literal["elementwise", "fixed", "first"] = "elementwise"
    fusion_share: Share = 0.5
    appearance_ridge: Positive | None = None
    suppression_ridge: Positive | None = None

    @property
    def adapts(self) -> bool:
        """Whether anything is learned from a frame."""
        return self.suppression or self.appearance != "off"

    @property
    def appearance_blend(self) -> Blend:
        """How V is put to use."""
        return Blend(self.appearance_rate, self.windowed)

    @property
    def suppression_blend(self) -> Blend:
        """How W is put to use."""
        return Blend(self.suppression_rate, self.windowed)

    def weighting(self) -> torch.Tensor:
        """What pixels of the neighbourhood are multiplied with to darken its background, (search_size, search_size)."""
        size = self.search_size
        offsets = torch.arange(size) - (size - 1) / 2
        gaussian = torch.exp(-(offsets**2) / (2 * self.weighting_sigma**2))
        down = across = gaussian
        if self.border_window:
            down = down * torch.hamming_window(size, periodic=False)
            across = across * torch.hann_window(size, periodic=False)
        return torch.outer(down, across)

    def layer_weights(self, layers: int) -> torch.Tensor | None:
        """The layers' weights (layers, 1, 1) in place of Upsilon, or None where that fuses them."""
        if self.fusion == "elementwise" or layers == 1:
            return None
        rest = (1 - self.fusion_share) / (layers - 1)
        return torch.tensor([self.fusion_share] + [rest] * (layers - 1))[:, None, None]
