"""SRT's network: regions of two layers of VGG-16, one with context by an IRNN, matched by an inner product."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from siam_tracker_core.config import STRICT
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.limits import Count
from siam_tracker_core.networks.irnn import IRNN
from siam_tracker_core.networks.normalise import CAFFE, IMAGENET
from siam_tracker_core.networks.region_pooling import Pooling, pool_regions
from siam_tracker_core.networks.vgg import VGG

LOCAL, DEEP = "conv4_3", "conv5_3"
POOLS = ("conv1_2", "conv2_2")  # those after conv3_3 and conv4_3 are removed (SRT section 2.2)
CONVENTIONS = {"vgg16": IMAGENET, "vgg16_caffe": CAFFE}
Part = Literal["conv4_3", "conv5_3", "irnn"]


@dataclass(frozen=True)
class SRTLayers:
    """What an SRT network is made of; the ablations are settings here.

    Attributes:
        backbone: ``vgg16`` with torchvision's input convention or ``vgg16_caffe`` with Caffe's.
        conv4_3: whether regions of conv4_3 take part in the match.
        conv5_3: whether regions of conv5_3 do.
        irnn: whether the IRNN is over the latter; without it they take part as they are.
        cells: side of a pooled region (ION; SRT does not tell).
        pooling: over fractional regions, ``average`` or ``max``.
        hidden: channels of each of the IRNN's hidden maps; 512 in ION.
        outputs: channels of its result.
        passes: IRNNs one after the other; ION stacks two.
        shared_input: one U for the four directions.
        identity_start: W starts as the identity; else Xavier.
        rescale: learn how much each layer's part counts (ION's re-scaling after the normalisation); else one half.
    """

    backbone: Literal["vgg16", "vgg16_caffe"] = "vgg16_caffe"
    conv4_3: bool = True
    conv5_3: bool = True
    irnn: bool = True
    cells: Count = 7
    pooling: Pooling = "average"
    hidden: Count = 128
    outputs: Count = 128
    passes: Count = 1
    shared_input: bool = True
    identity_start: bool = True
    rescale: bool = True

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if not (self.conv4_3 or self.conv5_3):
            raise ConfigError("conv4_3 and conv5_3 are both left out, so nothing is left to match; keep one of them")


class Maps(NamedTuple):
    """What is computed once for a picture, whatever regions of it are looked at.

    Attributes:
        local: conv4_3 (N, 512, h, w).
        deep: what regions are pooled of for the second part: the IRNN's projected input where pooling is an average,
            else conv5_3 itself; None where it takes no part.
    """

    local: torch.Tensor
    deep: torch.Tensor | None


class SRTNetwork(nn.Module):
    """Embeds regions of pictures as unit vectors.

    The convolutions are not padded: features of a crop are those that the whole picture has there. ``margin`` pixels
    at each border of a crop are only seen by cells further inside, and regions must stay clear of them.

    Args:
        layers: what it is made of.

    Attributes:
        backbone: VGG-16 up to conv5_3, with stride 4.
        margin: half of conv5_3's receptive field, less half a cell, in pixels: 42.
        balance: logit of the share of conv4_3 in the inner product.
    """

    def __init__(self, layers: SRTLayers | None = None) -> None:
        super().__init__()
        self.layers = layers or SRTLayers()
        self.backbone = VGG(16, pools=POOLS, convention=CONVENTIONS[self.layers.backbone], padded=False)
        self.margin = self._origin(DEEP)
        self.irnn = nn.ModuleList(self._irnns())
        self.balance = nn.Parameter(torch.zeros(()), requires_grad=self.layers.rescale)
        self._uses_local, self._uses_deep = self.layers.conv4_3, self.layers.conv5_3

    def _irnns(self) -> list[IRNN]:
        layers = self.layers
        count = layers.passes if layers.irnn and layers.conv5_3 else 0
        widths = [VGG.width(DEEP)] + [layers.outputs] * count
        return [
            IRNN(inputs, layers.hidden, layers.outputs, layers.shared_input, layers.identity_start)
            for inputs in widths[:count]
        ]

    def _origin(self, layer: str) -> float:
        """Where in a crop a layer's first cell begins, in pixels from the crop's edge."""
        footprint = self.backbone.footprint_at(layer)
        return footprint.receptive_field / 2 - footprint.stride / 2

    def leave_out(self, parts: Collection[Part]) -> None:
        """Match without some parts from now on; their weights are not looked at.

        Raises:
            ConfigError: if nothing would be left.
        """
        uses_local = self._uses_local and LOCAL not in parts
        uses_deep = self._uses_deep and DEEP not in parts
        if not (uses_local or uses_deep):
            raise ConfigError(f"without {', '.join(parts)} nothing of this network is left to match; leave out less")
        self._uses_local, self._uses_deep = uses_local, uses_deep
        if "irnn" in parts:
            self.irnn = nn.ModuleList()

    def maps(self, images: torch.Tensor) -> Maps:
        """The feature maps of RGB images (N, 3, H, W) with values in 0..255, H and W multiples of 4."""
        if not self._uses_deep:
            return Maps(self.backbone.features_at(images, [LOCAL])[0], None)
        local, deep = self.backbone.features_at(images, [LOCAL, DEEP])
        return Maps(local, self.project(deep))

    def project(self, deep: torch.Tensor) -> torch.Tensor:
        """conv5_3, or U of it: an average over regions commutes with U, so U need not see every region by itself."""
        if not self._projects_maps:
            return deep
        first = self.irnn[0]
        assert isinstance(first, IRNN)
        projected = first.project(deep.permute(0, 2, 3, 1).to(first.input.weight.dtype))
        return projected.permute(0, 3, 1, 2)

    @property
    def _projects_maps(self) -> bool:
        return len(self.irnn) > 0 and self.layers.pooling == "average"

    def pool(self, features: torch.Tensor, boxes: torch.Tensor, layer: str) -> torch.Tensor:
        """Regions, float (N, K, cells, cells, channels), of a layer's features for boxes (N, K, 4) as in ``parts``."""
        cells = torch.cat((boxes[..., :2] - self._origin(layer), boxes[..., 2:]), dim=-1) / self.backbone.stride
        exact = features if features.dtype == torch.float64 else features.float()
        return pool_regions(exact, cells, self.layers.cells, self.layers.pooling)

    def context(self, regions: torch.Tensor) -> torch.Tensor:
        """What the IRNNs make of regions that were pooled from ``Maps.deep``; without an IRNN the regions themselves.

        Args:
            regions: (N, K, cells, cells, channels).

        Returns:
            (N, K, cells, cells, channels) of the regions' type, computed in that of the IRNNs' weights.
        """
        flat = regions.flatten(0, 1)
        for number, irnn in enumerate(self.irnn):
            assert isinstance(irnn, IRNN)
            flat = flat.to(irnn.recurrent.dtype)
            flat = irnn.propagate(flat if number == 0 and self._projects_maps else irnn.project(flat))
        return flat.view(*regions.shape[:-1], -1).to(regions.dtype)

    def local_regions(self, maps: Maps, boxes: torch.Tensor) -> torch.Tensor:
        """Regions of conv4_3, float (N, K, cells, cells, 512), for boxes (N, K, 4) as in ``parts``."""
        return self.pool(maps.local, boxes, LOCAL)

    def deep_regions(self, maps: Maps, boxes: torch.Tensor) -> torch.Tensor:
        """Regions of conv5_3 with context, float (N, K, cells, cells, channels), for boxes as in ``parts``."""
        assert maps.deep is not None
        return self.context(self.pool(maps.deep, boxes, DEEP))

    def parts(self, maps: Maps, boxes: torch.Tensor) -> list[torch.Tensor]:
        """What is matched of each box, one (N, K, channels of the part) for each layer that takes part, of any length.

        Args:
            maps: of N pictures.
            boxes: (N, K, 4) of ``x, y, width, height`` in pixels of the pictures.
        """
        found = []
        if self._uses_local:
            found.append(self.local_regions(maps, boxes).flatten(2))
        if self._uses_deep:
            found.append(self.deep_regions(maps, boxes).flatten(2))
        return found

    def shares(self) -> list[torch.Tensor]:
        """How much each part counts; together 1."""
        if not (self._uses_local and self._uses_deep):
            return [torch.ones_like(self.balance)]
        local = torch.sigmoid(self.balance)
        return [local, 1 - local]

    def embed(self, maps: Maps, boxes: torch.Tensor) -> torch.Tensor:
        """Unit vectors (N, K, D): each part L2-normalised, re-scaled, and all of them concatenated (section 2.2).

        Args:
            maps: of N pictures.
            boxes: (N, K, 4) of ``x, y, width, height`` in pixels of the pictures.
        """
        return torch.cat(
            [
                functional.normalize(part, dim=-1) * share.sqrt()
                for part, share in zip(self.parts(maps, boxes), self.shares(), strict=True)
            ],
            dim=-1,
        )

    def similarity(self, exemplars: Sequence[torch.Tensor], parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """Inner products (N, K) of ``embed``'s vectors, without making them (equation 5).

        Args:
            exemplars: what ``parts`` gave for one box of each of N pictures.
            parts: what it gave for K boxes of each of N pictures.
        """
        total = torch.zeros(parts[0].shape[:2], device=parts[0].device)
        for own, part, share in zip(exemplars, parts, self.shares(), strict=True):
            lengths = torch.linalg.vector_norm(part, dim=-1) * torch.linalg.vector_norm(own, dim=-1)
            total = total + share * (part @ own.mT)[..., 0] / lengths.clamp_min(1e-12)
        return total

    def match(self, exemplars: Sequence[torch.Tensor], maps: Maps, boxes: torch.Tensor) -> torch.Tensor:
        """``similarity`` of exemplars with boxes (N, K, 4) of N pictures that are searched."""
        return self.similarity(exemplars, self.parts(maps, boxes))
