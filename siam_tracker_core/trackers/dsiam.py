"""DSiam: SiamFC whose exemplar and search features follow the target's look (Guo et al., 2017, section 3).

After a confident frame two transformations are learned in closed form, V from the first frame's exemplar to the target
as it looks now, W from its neighbourhood to the same with its background darkened; the next frame is searched with
them. Both are learned anew each time and from the first frame's exemplar, so errors do not add up.

The published code (DSiam/utils, DSiam/run_DSiam.m; reference values, section 5) does what the paper does not tell:
features are multiplied with a Hann window before each transform, and only a share of them is replaced by transformed
ones. These are the defaults; ``config/trackers/dsiam_paper.yaml`` has the paper's plain form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, NamedTuple

import torch
from annotated_types import Gt

from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box, Window
from siam_tracker_core.networks.dsiam import Blend, DSiamNetwork, Exemplar, Features, Suppression
from siam_tracker_core.trackers.base import TrackResult, TrackState
from siam_tracker_core.trackers.following import Share
from siam_tracker_core.trackers.siamfc import Answer, SiamFC, SiamFCConfig, SiamFCModel

Positive = Annotated[float, Gt(0)]


@dataclass(frozen=True)
class DSiamConfig(SiamFCConfig):
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


class Query(NamedTuple):
    """What the windows of several targets are compared with.

    Attributes:
        features: (T, C, h, w) of each layer.
        suppression: of the targets that have one.
    """

    features: Features
    suppression: Suppression | None = None


class DSiamModel(SiamFCModel):
    """The network with all that targets share; arguments as for ``SiameseModel``."""

    network: DSiamNetwork  # type: ignore[assignment]
    config: DSiamConfig

    def __init__(
        self,
        network: DSiamNetwork,
        config: DSiamConfig,
        device: torch.device,
        name: str = "dsiam",
        precision: str = "auto",
    ) -> None:
        super().__init__(network, config, device, name, precision)  # type: ignore[arg-type]
        for ridge, regressions in zip((config.appearance_ridge, config.suppression_ridge), network.ridges, strict=True):
            if ridge is not None:
                for regression in regressions:
                    regression.set(ridge)
        self.layers = 1 if config.fusion == "first" else len(network.layers)
        fixed = config.layer_weights(self.layers)
        self.weights = (network.fusion.weights.detach() if fixed is None else fixed).to(device)
        self.weighting = config.weighting().to(device)
        self.bias = float(network.correlation.bias)

    @property
    def stride(self) -> int:
        return self.network.stride

    def embed(self, crops: torch.Tensor) -> Features:
        """Float32 features of BGR crops (N, 3, S, S) for each layer that is used, computed in ``dtype``."""
        parts = [self.network.embed(part, self.layers) for part in self.parts(crops)]
        return [torch.cat(layer).float() for layer in zip(*parts, strict=True)]

    def correlate(self, exemplars: Query | Features, crops: torch.Tensor) -> torch.Tensor:
        query = exemplars if isinstance(exemplars, Query) else Query(exemplars)
        return self.network.raw(query.features, self.embed(crops), query.suppression, self.weights)

    def remember(self, features: Features) -> Exemplar:
        """What is kept of the first frame's exemplar."""
        return self.network.exemplar(features, self.config.appearance_blend)

    def adapt(self, first: Exemplar, frame: Frame, searches: Sequence[Window]) -> list[Adaptation]:
        """Learn V and W of several targets from a frame.

        Args:
            first: of the first frame, T targets.
            frame: to learn from.
            searches: the T search windows around the targets' new places.
        """

        def crop(size: int) -> torch.Tensor:
            return frame.crops([window.scaled(size / self.config.search_size) for window in searches], size)

        together = learned(self.network, self.config, first, crop, self.embed, self.weighting)
        return [
            Adaptation(*([layer[number : number + 1] for layer in part] for part in together))
            for number in range(len(searches))
        ]


class DSiam(SiamFC):
    """DSiam on one target; what it has learned is its own.

    Args:
        model: the shared network and configuration.
    """

    model: DSiamModel
    config: DSiamConfig

    def __init__(self, model: DSiamModel) -> None:
        super().__init__(model)

    def another(self) -> DSiam:
        return DSiam(self.model)

    @property
    def adaptation(self) -> Adaptation | None:
        """What the last confident frame taught; kept, though not used, while the target is LOST."""
        return self._adaptation

    @property
    def is_adapted(self) -> bool:
        """Whether the next frame will be searched with it."""
        return self._active

    def warm_up(self, targets: int = 1) -> None:
        super().warm_up(targets)
        size = self.config.search_size
        frame = self.upload(torch.zeros(size, size, 3, dtype=torch.uint8).numpy())
        with torch.inference_mode():
            features = self.model.embed(frame.crops([Window(0, 0, 1)] * targets, self.config.exemplar_size))
            self.model.adapt(self.model.remember(features), frame, [Window(0, 0, 1)] * targets)

    def _start(self, frame: Frame, box: Box) -> None:
        super()._start(frame, box)
        self._first = self.model.remember(self._exemplar)
        self._adaptation: Adaptation | None = None
        self._active = self._confident = False

    def _look(self, frame: Frame, window: Window) -> Answer:
        return self._respond_once(self._exemplars([self]), frame, window)

    def _exemplars(self, trackers: Sequence[Any]) -> Query:
        used = [tracker._adaptation if tracker._active else None for tracker in trackers]
        features = [
            each.features if each is not None else tracker._first.features
            for each, tracker in zip(used, trackers, strict=True)
        ]
        together = [torch.cat(layer) for layer in zip(*features, strict=True)]
        members = [place for place, each in enumerate(used) if each is not None and each.kernels]
        if not members:
            return Query(together)
        kernels = [torch.cat(layer) for layer in zip(*(used[place].kernels for place in members), strict=True)]  # type: ignore[union-attr]
        places = torch.tensor(members, device=self.device)
        return Query(together, Suppression(kernels, places, self.config.suppression_blend))

    def locate(self, answer: Any) -> TrackResult:
        result, config = super().locate(answer), self.config
        if not config.adapts:
            return result
        lost, logit = result.state is TrackState.LOST, answer.peak + self.model.bias
        self._confident = not lost and logit > config.threshold
        if lost or (not self._confident and config.after_doubt == "off"):
            self._active = False
        if self._confident:
            words = f"learns {self._lesson}, the response is {logit:.2f}"
        elif lost:
            words = "learns nothing of a lost target"
        else:
            words = f"learns nothing, the response of {logit:.2f} is not above {config.threshold:g}"
        return replace(result, learning=words)

    @property
    def _lesson(self) -> str:
        appearance = {"learned": ["V"], "previous": ["the target as it looks"], "off": []}[self.config.appearance]
        return " and ".join(appearance + ["W"] * self.config.suppression)

    def learn(self, trackers: Sequence[Any], frame: Frame) -> None:
        ready = [tracker for tracker in trackers if tracker._confident]
        if not ready:
            return
        firsts = [tracker._first for tracker in ready]
        with torch.inference_mode():
            features, spectra = (
                [torch.cat(layer) for layer in zip(*part, strict=True)] for part in zip(*firsts, strict=True)
            )
            searches = [tracker.search_window for tracker in ready]
            adaptations = self.model.adapt(Exemplar(features, spectra), frame, searches)
        for tracker, adaptation in zip(ready, adaptations, strict=True):
            tracker._adaptation, tracker._active = adaptation, True
