"""What one frame teaches of a target: V and W of DSiam, in the tracker and in its training."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from siam_tracker_core.networks.dsiam import DSiamNetwork, Exemplar, Features
from siam_tracker_core.trackers.dsiam.config import DSiamConfig


class Adaptation(NamedTuple):
    """What a frame taught of one target, or of several.

    Attributes:
        features: of the exemplars, transformed; (N, C, h, w) of each layer.
        kernels: of the background suppression, see ``Suppression``; empty without one.
    """

    features: Features
    kernels: Features


def learned(
    network: DSiamNetwork,
    config: DSiamConfig,
    first: Exemplar,
    crop: Callable[[int], torch.Tensor],
    embed: Callable[[torch.Tensor], Features],
    weighting: torch.Tensor,
) -> Adaptation:
    """V and W as one frame teaches them, in the tracker and in its training.

    Neighbourhood and darkened neighbourhood are one batch. The target is the middle of the neighbourhood, and its
    features are taken out of those where the backbone allows it.

    Args:
        network, config: whose transformations are learned, and how.
        first: of the first frame.
        crop: gives the regions around the targets, (N, 3, size, size), for a side of ``search_size`` or
            ``exemplar_size`` pixels, all at one scale.
        embed: gives their features.
        weighting: see ``DSiamConfig.weighting``, on the device.
    """
    plain: Features = []
    dark: Features = []
    if config.suppression:
        crops = crop(config.search_size)
        for layer in embed(torch.cat([crops, crops * weighting])):
            half = len(layer) // 2
            plain.append(layer[:half])
            dark.append(layer[half:])
    features, kernels = first.features, []
    if config.appearance != "off":
        sizes = config.search_size, config.exemplar_size
        now = network.cut_exemplars(plain, *sizes) if plain else None
        features = embed(crop(config.exemplar_size)) if now is None else now
    with torch.autocast(features[0].device.type, enabled=False):
        if config.appearance == "learned":
            features = network.follow_appearance(first, features, config.appearance_blend)
        if config.suppression:
            kernels = network.suppress_background(features, plain, dark, config.suppression_blend)
    return Adaptation(features, kernels)
