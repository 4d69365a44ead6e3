"""The convolutions of VGG-16 and VGG-19 (Simonyan and Zisserman, 2015, table 1, columns D and E)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import nn

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks.backbone import Backbone, Footprint, footprint_of
from siam_tracker_core.networks.normalise import IMAGENET, Colour, Normalise

WIDTHS = (64, 128, 256, 512, 512)
REPETITIONS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def layer_names(depth: int) -> list[str]:
    """The convolutions in order, ``conv1_1`` to ``conv5_3`` of VGG-16 or ``conv5_4`` of VGG-19."""
    return [
        f"conv{stage}_{number}"
        for stage, repetitions in enumerate(REPETITIONS[depth], start=1)
        for number in range(1, repetitions + 1)
    ]


class VGG(Backbone):
    """VGG up to a convolution and its ReLU, with the poolings that are wanted.

    Layers bear torchvision's names (``features.0.weight`` ...); a pooling that is left out keeps its place in the
    count. With VGG-16, ``pools=("conv1_2", "conv2_2")`` is the network of SRT, whose poolings after conv3_3 and conv4_3
    are removed; VGG-19 with ``features_at`` of conv4_4 and conv5_4 is DSiam's.

    Args:
        depth: 16 or 19.
        last: the last convolution kept, as in ``layer_names``; the deepest by default.
        pools: convolutions that a 2x2 pooling follows; by default the last of each stage. The one after ``last`` is
            never applied.
        convention: of the input, see ``networks.normalise``.
        padded: whether every convolution is padded, as published. Without padding a crop's features are those that the
            whole picture has there.

    Attributes:
        first_centre: of the first cell, in pixels: cell ``j`` is centred on ``first_centre + stride * j``.

    Raises:
        ConfigError: for another depth, or a convolution that there is not.
    """

    def __init__(
        self,
        depth: int = 16,
        last: str | None = None,
        pools: Collection[str] | None = None,
        convention: tuple[Colour, Colour] = IMAGENET,
        padded: bool = True,
    ) -> None:
        super().__init__()
        if depth not in REPETITIONS:
            raise ConfigError(f"there is no VGG-{depth} here; known are {', '.join(map(str, REPETITIONS))}")
        names = layer_names(depth)
        last = last or names[-1]
        self.ends = {f"conv{stage}_{count}" for stage, count in enumerate(REPETITIONS[depth], start=1)}
        chosen = self.ends if pools is None else set(pools)
        unknown = ({last} | chosen) - set(names)
        if unknown:
            raise ConfigError(f"VGG-{depth} has no {', '.join(sorted(unknown))}; it has {', '.join(names)}")
        if chosen - self.ends:
            raise ConfigError(f"a pooling can follow {', '.join(sorted(self.ends))}, not {min(chosen - self.ends)}")
        self.names = names[: names.index(last) + 1]
        self.normalise = Normalise(convention)
        self.features = self._layers(chosen, int(padded))
        self._measure(footprint_of(self.features), self.width(last))

    @staticmethod
    def width(name: str) -> int:
        """Channels of a convolution's output."""
        return WIDTHS[int(name[4]) - 1]

    def _layers(self, pools: set[str], padding: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        self._ends_at: dict[str, int] = {}  # each convolution's name -> how many layers there are up to its ReLU
        channels = 3
        for name in self.names:
            layers += [nn.Conv2d(channels, self.width(name), 3, padding=padding), nn.ReLU(inplace=True)]
            channels = self.width(name)
            self._ends_at[name] = len(layers)
            if name in self.ends and name != self.names[-1]:
                layers.append(nn.MaxPool2d(2, 2) if name in pools else nn.Identity())
        return nn.Sequential(*layers)

    def units(self) -> list[nn.Module]:
        """The convolutions."""
        return [layer for layer in self.features if isinstance(layer, nn.Conv2d)]

    def footprint_at(self, name: str) -> Footprint:
        """How a cell of the features after a convolution's ReLU sees the input.

        Raises:
            ConfigError: for a convolution that this network does not have.
        """
        self._check([name])
        return footprint_of(self.features[: self._ends_at[name]])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features (N, out_channels, h, w) of RGB images with values in 0..255, after the last ReLU."""
        return self.features(self.normalise(images))

    def features_at(self, images: torch.Tensor, names: Sequence[str]) -> list[torch.Tensor]:
        """Features after the ReLUs of several convolutions, each layer computed once, in the order of ``names``.

        Raises:
            ConfigError: for a convolution that this network does not have.
        """
        self._check(names)
        ends = {self._ends_at[name]: name for name in names}
        features, taken = self.normalise(images), {}
        for done, layer in enumerate(list(self.features)[: max(ends)], start=1):
            features = layer(features)
            if done in ends:
                taken[ends[done]] = features
        return [taken[name] for name in names]

    def _check(self, names: Sequence[str]) -> None:
        unknown = set(names) - set(self.names)
        if unknown:
            raise ConfigError(f"this VGG has no {', '.join(sorted(unknown))}; it ends with {self.names[-1]}")
