"""Training of SiamFC: pairs, augmentation on the device, balanced logistic loss (SiamFC section 2.2)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from siam_tracker_core.config import departures
from siam_tracker_core.limits import NotNegative, Positive
from siam_tracker_core.networks import SiamFCNetwork, backbone, cross_correlation
from siam_tracker_core.networks.anchors import cell_centres
from siam_tracker_core.trackers.common.lost import LostConfig
from siam_tracker_core.trackers.siamfc import SiamFCConfig, SiamFCModel
from siam_tracker_core.trackers.tracker import Tracker
from siam_tracker_core.training.augmentation.occlusion import read_bank
from siam_tracker_core.training.engine.module import Batch, Picture
from siam_tracker_core.training.engine.pair_module import Pairs
from siam_tracker_core.training.engine.pictures import cross, overlay, to_pictures
from siam_tracker_core.training.engine.recipe import BackboneOptions, WarmUp, described
from siam_tracker_core.training.losses.logistic import balanced_logistic_loss, response_labels
from siam_tracker_core.training.teaching.lesson import TeachingLoss, score_loss
from siam_tracker_core.training.teaching.taught_module import TaughtModule, TaughtTraining


@dataclass(frozen=True)
class SiamFCTraining(TaughtTraining):
    """Settings of the training.

    The paper trains from scratch for 50 epochs of 53,200 pairs at rates from 1e-2 to 1e-5 (``siamfc_paper.yaml``). The
    defaults here are for a backbone that has its features by distillation already, on data that are some hundred times
    smaller.

    Attributes:
        backbone: name of the network that sees the images.
        backbone_options: of it, such as ``{stride: 4}``; they stay with the weights.
        gain: of the correlation; fixed.
        radius: of the positive label in pixels.
        teaching: how teachers' scores are learned, where there are teachers; boxes are nothing to a SiamFC.
        teaching_weight: of that loss beside the labels'.
        initial_bias: where the correlation's bias starts; with distilled features, -3 makes a response of half the
            largest one undecided.
        tracking: settings of the tracker, which validate and stay with the weights.
    """

    lr: Positive = 1e-3
    warmup: WarmUp = field(default_factory=lambda: WarmUp(steps=100))
    backbone: str = "alexnet"
    backbone_options: BackboneOptions = field(default_factory=dict)
    gain: Positive = 1e-3
    radius: Positive = 16.0
    cross_video_weight: NotNegative = 0.25
    teaching: TeachingLoss = field(default_factory=TeachingLoss)
    teaching_weight: NotNegative = 1.0
    initial_bias: float = -3.0
    tracking: SiamFCConfig = field(default_factory=SiamFCConfig)


def initialise(network: nn.Module) -> None:
    """Gaussian weights by the improved Xavier method that the paper names (He et al., 2015).

    By the number of outputs, as MatConvNet's ``xavierimproved`` of the reference implementation; biases 0.1 as there.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")
            if layer.bias is not None:
                nn.init.constant_(layer.bias, 0.1)


class SiamFCModule(TaughtModule):
    """Trains a ``SiamFCNetwork`` on pairs; see ``TaughtModule`` for the batch.

    Args:
        network: to train.
        recipe: settings.
        bank: objects to paste, see ``occlusion.read_bank``; None pastes nothing.
    """

    kind = "siamfc"
    recipe_class = SiamFCTraining
    recipe: SiamFCTraining
    network: SiamFCNetwork

    def __init__(self, network: SiamFCNetwork, recipe: SiamFCTraining, bank: torch.Tensor | None = None) -> None:
        super().__init__(network, recipe, bank)
        nn.init.constant_(network.correlation.bias, recipe.initial_bias)

    @classmethod
    def build(cls, recipe: SiamFCTraining, objects: Path | None = None) -> SiamFCModule:
        network = SiamFCNetwork(backbone(recipe.backbone, **recipe.backbone_options), recipe.gain)
        initialise(network.backbone)
        return cls(network, recipe, read_bank(objects) if objects else None)

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        recipe, network = self.recipe, self.network
        shown = self.show(batch, generator)
        pairs = shown.pairs
        said = self.run(pairs)
        exemplars, searches = said.answers
        with torch.autocast(searches.device.type, enabled=False):
            exemplars, searches = exemplars.float(), searches.float()
            logits = network.correlation(exemplars, searches)[:, 0]
            labels = self.labels(pairs, *logits.shape[1:])
            values = {"loss": balanced_logistic_loss(logits, labels)}
            if self.teachers:
                rows, columns = logits.shape[1:]
                points = cell_centres(rows, columns, network.backbone.stride, logits.device)
                lesson = self.teach(shown, points, recipe.teaching)
                values["teaching"] = score_loss(logits, lesson, recipe.teaching)
                values["loss"] = values["loss"] + recipe.teaching_weight * values["teaching"]
            if recipe.cross_video_weight:
                # Each exemplar with the search image of the sample before it, unless that may show its target.
                other = cross_correlation(exemplars, searches.roll(1, dims=0)) * network.correlation.gain
                other = other[:, 0] + network.correlation.bias
                values["cross_video"] = balanced_logistic_loss(other, torch.zeros_like(labels), self.strangers(shown))
                values["loss"] = values["loss"] + recipe.cross_video_weight * values["cross_video"]
        values["error"] = self._centre_error(logits.detach(), pairs)
        return self.taught_features(values, shown, said)

    def answers(self, exemplars: torch.Tensor, searches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The features that are correlated."""
        trimmed = self.network.trimmed
        return trimmed(exemplars), trimmed(searches)

    def labels(self, pairs: Pairs, rows: int, columns: int) -> torch.Tensor:
        """Labels (N, rows, columns) of 0 and 1; all 0 where the target is not there."""
        stride = self.network.backbone.stride
        labels = response_labels(rows, columns, pairs.centres, stride, self.recipe.radius)
        return labels * ~pairs.negative[:, None, None]

    def _centre_error(self, logits: torch.Tensor, pairs: Pairs) -> torch.Tensor:
        """Median distance in search pixels between the peak and the target; NaN where no pair has its target."""
        place = logits.flatten(1).argmax(dim=1)
        rows, columns = logits.shape[1:]
        found = torch.stack((place % columns - (columns - 1) / 2, place // columns - (rows - 1) / 2), dim=1)
        distance = (found * self.network.backbone.stride - pairs.centres).norm(dim=1)
        return distance.masked_fill(pairs.negative, float("nan")).nanmedian()

    def pictures(self, batch: Batch) -> list[list[Picture]]:
        """A pair a row: the exemplar, the search image with a cross on its target, and the response over it."""
        pairs = self.augment(batch, self.generator(0))
        responses = self.network(pairs.exemplars, pairs.searches)[:, 0].float().cpu().numpy()
        rows = []
        for exemplar, search, response, centre, negative in zip(
            to_pictures(pairs.exemplars),
            to_pictures(pairs.searches),
            responses,
            pairs.centres.cpu().numpy(),
            pairs.negative.tolist(),
            strict=True,
        ):
            over = overlay(search, response, response.shape[0] * self.network.backbone.stride)
            x, y = centre + search.shape[0] / 2 - 0.5
            rows.append([exemplar, search if negative else cross(search, x, y), over])
        return rows

    def tracker(self, network: nn.Module) -> Tracker:
        assert isinstance(network, SiamFCNetwork)
        # Never LOST, so that the figure is about the network and not about thresholds.
        config = replace(self.recipe.tracking, lost=LostConfig(enabled=False))
        return Tracker(SiamFCModel.from_network(network, config, self.device, self.kind))

    def description(self) -> dict[str, Any]:
        network = {**described(self.recipe.backbone, self.recipe.backbone_options), "gain": self.recipe.gain}
        return {"tracker": self.kind, "network": network, "config": departures(self.recipe.tracking)}
