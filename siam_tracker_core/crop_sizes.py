"""Which sizes of exemplar and search crop a network can take, and take without a bias."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import nn

from siam_tracker_core.errors import ConfigError


def check_crop_sizes(network: nn.Module, branch: str, exemplar: int, searches: Mapping[str, int]) -> None:
    """Refuse crops that leave the network no response, or one that is not centred in the crop.

    The exemplar's features fit into those of the search crop at steps of the stride, from its first pixel on. The
    middle of these places is the middle of the crop only if the sizes differ by a multiple of the stride.

    Args:
        network: with a ``backbone``.
        branch: name of its method that takes exemplar images (N, 3, exemplar, exemplar).
        exemplar: side of the exemplar crop in pixels.
        searches: sides of the search crops in pixels, by the names of their settings.

    Raises:
        ConfigError: names the setting, and the nearest sizes that fit.
    """
    stride: int = network.backbone.stride  # type: ignore[union-attr,assignment]
    for name, size in searches.items():
        more, rest = divmod(size - exemplar, stride)
        if more < 0 or rest:
            fitting = [exemplar + stride * steps for steps in (more, more + 1) if steps >= 0] or [exemplar]
            raise ConfigError(
                f"{name} is {size}; with an exemplar of {exemplar} pixels and a stride of {stride} the response is "
                f"centred for {' or '.join(map(str, fitting))}"
            )
    # Sizes without numbers: nothing is computed.
    blank = torch.empty(1, 3, exemplar, exemplar, device="meta", dtype=next(network.backbone.parameters()).dtype)  # type: ignore[union-attr]
    try:
        getattr(copy.deepcopy(network).to("meta"), branch)(blank)
    except RuntimeError as error:
        raise ConfigError(f"exemplar_size is {exemplar}, too small for this network ({error})") from None
