"""A trained network made ready to track, with all that the targets of one tracker share."""

from __future__ import annotations

from typing import Any

import torch

from siam_tracker_core.networks.backbone import channels_last
from siam_tracker_core.networks.cir import crop_early
from siam_tracker_core.networks.inference import fold_batch_norms, inference_dtype
from siam_tracker_core.trackers.following import FollowingConfig


class SiameseModel:
    """The network with configuration and device; trackers add their constant maps.

    Args:
        network: with its weights; it is taken over, put on ``device`` and made ready for inference.
        config: of the tracker.
        device: where to run.
        name: of the tracker.
        precision: ``auto``, ``single`` or ``half``, see ``networks.inference``.

    Attributes:
        dtype: in which the backbone computes.
    """

    def __init__(
        self, network: Any, config: FollowingConfig, device: torch.device, name: str, precision: str = "auto"
    ) -> None:
        self.config, self.device, self.name = config, device, name
        self.dtype = inference_dtype(device, precision)
        self.network = network.eval().requires_grad_(False)
        fold_batch_norms(self.network)
        crop_early(self.network)
        channels_last(self.network).to(device)
        self.network.backbone.to(self.dtype)

    def images(self, crops: torch.Tensor) -> torch.Tensor:
        """What the network takes for BGR crops (N, 3, S, S)."""
        return crops.to(self.dtype).flip(1).contiguous(memory_format=torch.channels_last)
