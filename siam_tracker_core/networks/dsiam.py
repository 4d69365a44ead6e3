"""The dynamic Siamese network (DSiam, sections 3.1 to 3.4): SiamFC's with transformations and elementwise fusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, cast

import torch
from torch import nn

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks.backbone import Backbone, Footprint
from siam_tracker_core.networks.correlation import Correlation, cross_correlation
from siam_tracker_core.networks.dynamic import (
    Regression,
    circular_convolution,
    correlation_kernels,
    hann_window,
    spectra,
    transformed_correlation,
)
from siam_tracker_core.networks.layer_fusion import LayerFusion

# The published code's lambdas for SiamFC's network, divided by the number of cells (reference values, section 5).
APPEARANCE_RIDGE = 1e-5
SUPPRESSION_RIDGE = 10.0

Features = list[torch.Tensor]


class Layered(Protocol):
    """A backbone that gives features at several of its layers in one pass."""

    def features_at(self, images: torch.Tensor, names: Sequence[str]) -> Features: ...

    def footprint_at(self, name: str) -> Footprint: ...


@dataclass(frozen=True)
class Blend:
    """How a transformation is put to use.

    Attributes:
        rate: share of the transformed features; the others stay as they are. 1 is the paper's form.
        windowed: multiply features with a Hann window before each transform.
    """

    rate: float = 1.0
    windowed: bool = False

    def spectra(self, features: torch.Tensor) -> torch.Tensor:
        """Half spectra of features (..., h, w)."""
        return spectra(self.prepared(features))

    def prepared(self, features: torch.Tensor) -> torch.Tensor:
        """Features as they are transformed."""
        if not self.windowed:
            return features
        rows, columns = features.shape[-2:]
        return (features * hann_window(rows, columns, features)).contiguous()


class Exemplar(NamedTuple):
    """What is kept of the first frame's target, for each layer.

    Attributes:
        features: F_1, (N, C, h, w).
        spectra: of the features as they are transformed.
    """

    features: Features
    spectra: Features


class Suppression(NamedTuple):
    """The background suppression of some of the exemplars, ready for their search features.

    Attributes:
        kernels: for each layer, see ``correlation_kernels``.
        members: int64, which exemplars it is for; a kernel each.
        blend: how it is put to use.
    """

    kernels: Features
    members: torch.Tensor
    blend: Blend


class DSiamNetwork(nn.Module):
    """``S = sum_l Upsilon_l . corr(V_l * f_l(O), W_l * f_l(Z))``, with SiamFC's gain and learned bias on the sum.

    DSiam has one layer, conv5; DSiamM has conv5 and conv4. As in the published code the responses are fused before gain
    and bias.

    Args:
        backbone: f; must give features at layers, as AlexNet and VGG do.
        layers: names of its layers; the first one starts with all the weight.
        gain: of the correlation.
        cells: rows and columns of the response.
        appearance_ridge, suppression_ridge: first lambda_v and lambda_w of all layers, see ``dynamic.Regression``.

    Attributes:
        stride: of the response in pixels.

    Raises:
        ConfigError: for a backbone or layer that has no such features, or no layer.
    """

    def __init__(
        self,
        backbone: Backbone,
        layers: Sequence[str] = ("conv5",),
        gain: float = 1e-3,
        cells: int = 17,
        appearance_ridge: float = APPEARANCE_RIDGE,
        suppression_ridge: float = SUPPRESSION_RIDGE,
    ) -> None:
        super().__init__()
        if not hasattr(backbone, "features_at"):
            raise ConfigError(f"DSiam needs features at layers, and {type(backbone).__name__} has none to give")
        if not layers or len(set(layers)) != len(layers):
            raise ConfigError(f"DSiam needs different layers, got {', '.join(layers) or 'none'}")
        self.backbone, self.layers = backbone, tuple(layers)
        self._footprints = [self._layered.footprint_at(layer) for layer in layers]
        self.stride = min(footprint.stride for footprint in self._footprints)
        self.appearance = nn.ModuleList(Regression(appearance_ridge) for _ in layers)
        self.suppression = nn.ModuleList(Regression(suppression_ridge) for _ in layers)
        self.fusion = LayerFusion(len(layers), cells)
        self.correlation = Correlation(gain)

    @property
    def ridges(self) -> tuple[list[Regression], list[Regression]]:
        """The regressions of V and of W, of each layer."""
        return cast(list[Regression], list(self.appearance)), cast(list[Regression], list(self.suppression))

    @property
    def _layered(self) -> Layered:
        return cast(Layered, self.backbone)

    def embed(self, images: torch.Tensor, layers: int | None = None) -> Features:
        """Features (N, C, h, w) of RGB images (N, 3, H, W) in 0..255, for the first ``layers`` layers or all."""
        return self._layered.features_at(images, self.layers[:layers])

    def cut_exemplars(self, searches: Features, search_size: int, exemplar_size: int) -> Features | None:
        """Features of the exemplar region in the middle of search images, taken out of theirs.

        Without padding a cell says the same of what it sees in whatever crop it lies, so that the target needs no pass
        of its own where its neighbourhood has had one: with AlexNet it is 6x6 of the 22x22 cells of conv5.

        Args:
            searches: features of the search images, of the first layers or all.
            search_size, exemplar_size: sides of both regions in pixels.

        Returns:
            (N, C, h, w) of each layer; None if one is padded, or has its cells elsewhere in the two regions.
        """
        margin, odd = divmod(search_size - exemplar_size, 2)
        exemplars = []
        for footprint, features in zip(self._footprints, searches, strict=False):
            first, between = divmod(margin, footprint.stride)
            if odd or between or footprint.padding:
                return None
            last = first + (exemplar_size - footprint.receptive_field) // footprint.stride
            exemplars.append(features[..., first : last + 1, first : last + 1].contiguous())
        return exemplars

    def exemplar(self, features: Features, blend: Blend) -> Exemplar:
        """What is kept of the first frame's target; its spectra serve all frames."""
        return Exemplar(features, [blend.spectra(each) for each in features])

    def follow_appearance(self, first: Exemplar, now: Features, blend: Blend) -> Features:
        """The exemplar's features, transformed by the V that the target's look in this frame teaches (equation 6).

        Args:
            first: of the first frame.
            now: F_t, features of the target in this frame, of the same shapes.
            blend: how V is put to use.
        """
        transformed = []
        for regression, features, spectrum, other in zip(self.appearance, *first, now, strict=False):
            cells = features.shape[-2] * features.shape[-1]
            variation = regression(spectrum, blend.spectra(other), cells)
            moved = circular_convolution(variation, blend.prepared(features))
            transformed.append(features.lerp(moved.to(features.dtype), blend.rate))
        return transformed

    def suppress_background(
        self, exemplars: Features, neighbourhoods: Features, weighted: Features, blend: Blend
    ) -> Features:
        """The W that a target's neighbourhood teaches (equation 8), joined with the exemplar it will be searched for.

        Args:
            exemplars: features that will be correlated, transformed already.
            neighbourhoods: F_G, features of the search region around the target.
            weighted: those of the same region with its background darkened.
            blend: how W is put to use.

        Returns:
            Kernels for ``Suppression``.
        """
        kernels = []
        for regression, exemplar, plain, dark in zip(
            self.suppression, exemplars, neighbourhoods, weighted, strict=False
        ):
            rows, columns = plain.shape[-2:]
            transformation = regression(blend.spectra(plain), blend.spectra(dark), rows * columns)
            kernels.append(correlation_kernels(exemplar, transformation, columns))
        return kernels

    def raw(
        self,
        exemplars: Features,
        searches: Features,
        suppression: Suppression | None = None,
        weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The fused response without its bias (equations 2 and 9).

        Args:
            exemplars: (N, C, h, w) of each layer, transformed or not.
            searches: (N * M, C, H, W), M search images in a row for every exemplar.
            suppression: of those exemplars that have one.
            weights: of the layers, see ``LayerFusion``.

        Returns:
            (N * M, 1, rows, columns), with the gain.
        """
        responses = []
        for layer, (exemplar, search) in enumerate(zip(exemplars, searches, strict=True)):
            response = cross_correlation(exemplar, search)
            if suppression is not None:
                response = _suppressed(response, exemplar, search, suppression, layer)
            responses.append(response)
        fused: torch.Tensor = self.fusion(responses, weights)
        return fused * self.correlation.gain

    def forward(self, exemplars: torch.Tensor, searches: torch.Tensor) -> torch.Tensor:
        """Response logits (N, 1, rows, columns) of exemplar images against search images, nothing transformed."""
        return self.raw(self.embed(exemplars), self.embed(searches)) + self.correlation.bias


def _suppressed(
    response: torch.Tensor, exemplar: torch.Tensor, search: torch.Tensor, suppression: Suppression, layer: int
) -> torch.Tensor:
    """A layer's response, with that to transformed search features blended in where there is a suppression."""
    count, members, blend = len(exemplar), suppression.members, suppression.blend
    searches = search.view(count, -1, *search.shape[1:])
    responses = response.view(count, -1, *response.shape[2:])
    if len(members) != count:
        searches = searches[members]
    moved = transformed_correlation(suppression.kernels[layer], blend.prepared(searches), exemplar.shape[-1])
    if len(members) == count:
        return responses.lerp(moved.to(response.dtype), blend.rate).view_as(response)
    mixed = responses[members].lerp(moved.to(response.dtype), blend.rate)
    return responses.index_copy(0, members, mixed).view_as(response)


def with_siamfc(network: DSiamNetwork, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict for a network out of SiamFC's: backbone and bias of that, all else as it is in ``network``.

    Tensors that do not fit are left in it, for ``weights.load_into`` to name.
    """
    own = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("backbone.")}
    return {**own, **state}


def network_of(features: Backbone, description: Mapping[str, object]) -> DSiamNetwork:
    """The network that the metadata of a weights file describe (see ``describe``), with first weights.

    Raises:
        ConfigError: if it cannot be.
    """
    layers = description.get("layers", ["conv5"])
    return DSiamNetwork(
        features,
        tuple(cast(Sequence[str], layers)),
        float(cast(float, description.get("gain", 1e-3))),
        int(cast(int, description.get("cells", 17))),
    )


def describe(network: DSiamNetwork, backbone: str) -> dict[str, object]:
    """What ``network_of`` needs to build a network again; ``backbone`` is the name of its backbone."""
    return {
        "backbone": backbone,
        "gain": network.correlation.gain,
        "layers": list(network.layers),
        "cells": network.fusion.cells,
    }
