"""A small network with two layers for the tests of DSiam, which sees texture and nothing in plain colour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from siam_tracker_core.networks.backbone import Backbone, Footprint
from siam_tracker_core.networks.dsiam import DSiamNetwork

SMALL = {"exemplar_size": 48, "search_size": 112}  # 4x4 and 12x12 cells of "deep", 6x6 and 14x14 of "shallow"
CELLS = 9


class TwoLayers(Backbone):
    """Random filters of stride 8 whose weights sum to zero, so that a plain picture has no features."""

    stride, receptive_field, out_channels = 8, 32, 12

    def __init__(self) -> None:
        super().__init__()
        self.shallow = nn.Conv2d(3, 8, 16, 8, padding=4, bias=False)
        self.deep = nn.Conv2d(8, 12, 3, bias=False)
        with torch.no_grad():
            self.shallow.weight -= self.shallow.weight.mean(dim=(1, 2, 3), keepdim=True)
            self.shallow.weight *= 16  # features of a texture are then of the size of one

    def features_at(self, images: torch.Tensor, names: Sequence[str]) -> list[torch.Tensor]:
        shallow = self.shallow(images / 255 - 0.5)
        taken = {"shallow": shallow, "deep": self.deep(shallow)}
        return [taken[name] for name in names]

    def footprint_at(self, name: str) -> Footprint:
        return Footprint(stride=8, receptive_field={"shallow": 16, "deep": 32}[name], padding=4)


def small_network(
    layers: Sequence[str] = ("deep",), gain: float = 0.01, seed: int = 0, cells: int = CELLS
) -> DSiamNetwork:
    torch.manual_seed(seed)
    return DSiamNetwork(TwoLayers(), layers, gain, cells)


def texture(seed: int, side: int = 24, grain: int = 4) -> np.ndarray:
    """Random coloured squares of ``grain`` pixels, (side, side, 3)."""
    cells = np.random.default_rng(seed).integers(0, 256, (side // grain, side // grain, 3))
    return cells.astype(np.float64).repeat(grain, axis=0).repeat(grain, axis=1)


def scene(*things: tuple[np.ndarray, int, int], clutter: float = 0.0) -> np.ndarray:
    """A picture of 200x160 pixels with textures, each with the x and y of its left upper corner.

    Behind them it is grey, mixed with a texture of its own to a share of ``clutter``.
    """
    picture = (1 - clutter) * 128 + clutter * texture(99, 200)[:160]
    for pixels, x, y in things:
        picture[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels
    return picture.round().clip(0, 255).astype(np.uint8)
