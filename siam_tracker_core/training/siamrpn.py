"""Training of SiamRPN: pairs, anchors drawn by overlap, classification and regression (SiamRPN section 3)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from annotated_types import MinLen
from torch import nn

from siam_tracker_core.config import departures
from siam_tracker_core.limits import Count, NotNegative, Positive, Whole
from siam_tracker_core.networks import backbone
from siam_tracker_core.networks.anchors import RATIOS, centred_iou, decode
from siam_tracker_core.networks.rpn import (
    HEADS,
    DepthwiseHead,
    Kernels,
    Proposals,
    SiamRPNNetwork,
    UpChannelHead,
)
from siam_tracker_core.trackers.common.lost import LostConfig
from siam_tracker_core.trackers.siamrpn import SiamRPNConfig, SiamRPNModel
from siam_tracker_core.trackers.tracker import Tracker
from siam_tracker_core.training.augmentation.occlusion import read_bank
from siam_tracker_core.training.augmentation.views import Jitter
from siam_tracker_core.training.engine.module import Batch, Picture
from siam_tracker_core.training.engine.pair_module import Pairs
from siam_tracker_core.training.engine.recipe import BackboneOptions, described
from siam_tracker_core.training.losses.proposals import ProposalLoss, cross_video_loss, draw_anchors, proposal_loss
from siam_tracker_core.training.proposal_pictures import proposal_rows
from siam_tracker_core.training.teaching.lesson import TeachingLoss, teaching_loss
from siam_tracker_core.training.teaching.taught_module import Shown, TaughtModule, TaughtTraining

# Cells of the kernels that AlexNet's exemplar gives, 4x4.
KERNEL_CELLS = 16


@dataclass(frozen=True)
class SiamRPNTraining(TaughtTraining):
    """Settings of the training; ``siamrpn_paper.yaml`` has the paper's schedule.

    Attributes:
        backbone: name of the network that sees the images.
        backbone_options: of it, such as ``{stride: 4}``; they stay with the weights.
        head: ``depthwise`` or ``up_channel``, see ``networks.rpn``.
        hidden: channels of the head's correlation.
        ratios: of the anchors, height to width.
        exemplar_margin, search_margin: cells left out at each border of the features, for backbones with padding.
        loss: of the proposals. Boxes are learned from labels that are not loose.
        teaching: how teachers' scores and boxes are learned, where there are teachers: by the most probable anchor of
            each cell.
        teaching_weight: of that loss beside the labels'.
        tracking: settings of the tracker, which validate and stay with the weights.
    """

    search_view: Jitter = field(default_factory=lambda: Jitter(shift=56.0, scale=0.15, stretch=0.08))
    backbone: str = "alexnet_wide"
    backbone_options: BackboneOptions = field(default_factory=dict)
    head: Literal["depthwise", "up_channel"] = "depthwise"
    hidden: Count = 256
    ratios: Annotated[tuple[Positive, ...], MinLen(1)] = RATIOS
    exemplar_margin: Whole = 0
    search_margin: Whole = 0
    loss: ProposalLoss = field(default_factory=ProposalLoss)
    teaching: TeachingLoss = field(default_factory=TeachingLoss)
    teaching_weight: NotNegative = 1.0
    tracking: SiamRPNConfig = field(default_factory=SiamRPNConfig)


def initialise(head: UpChannelHead | DepthwiseHead) -> None:
    """Weights with which a head begins: hardly an opinion, and proposals near the anchors.

    The last layer of the depth-wise head starts with a deviation of 0.01, as those of proposal networks do
    (Faster R-CNN, section 3.1.3).

    The up-channel head has no such layer. Its outputs sum some thousand products of two of its convolutions: with
    weights of the usual size its logits start around 60, and at the paper's rate of 1e-2 a step changes them by as
    much. So these convolutions start so small that the outputs' deviation is 0.1 for features with a deviation of one,
    and their gradients are divided by the number of products. For SGD that is the same as a correlation that takes the
    mean of the products, and it leaves the network as it was published.
    """
    for layer in head.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    if isinstance(head, DepthwiseHead):
        for last in (head.cls.head[-1], head.loc.head[-1]):
            assert isinstance(last, nn.Conv2d)
            nn.init.normal_(last.weight, std=0.01)
        return
    nn.init.kaiming_normal_(head.adjust_reg.weight, nonlinearity="linear")
    products = head.hidden * KERNEL_CELLS
    for convolution in (head.template_cls, head.template_reg, head.search_cls, head.search_reg):
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="linear")
        convolution.weight.data.mul_((0.1 / products**0.5) ** 0.5)
        for parameter in convolution.parameters():
            parameter.register_hook(lambda gradient: gradient / products)


class SiamRPNModule(TaughtModule):
    """Trains a ``SiamRPNNetwork`` on pairs; see ``TaughtModule`` for the batch.

    Args:
        network: to train.
        recipe: settings.
        bank: objects to paste; None pastes nothing.
    """

    kind = "siamrpn"
    recipe_class = SiamRPNTraining
    exemplar_branch = "template"
    recipe: SiamRPNTraining
    network: SiamRPNNetwork

    @classmethod
    def build(cls, recipe: SiamRPNTraining, objects: Path | None = None) -> SiamRPNModule:  # type: ignore[override]
        """A module with a new network.

        Raises:
            ConfigError: if there is no backbone of that name.
            DatasetError: if ``objects`` holds none.
        """
        features = backbone(recipe.backbone, **recipe.backbone_options)
        head = HEADS[recipe.head](features.out_channels, len(recipe.ratios), recipe.hidden)
        initialise(head)
        network = SiamRPNNetwork(features, head, recipe.ratios, recipe.exemplar_margin, recipe.search_margin)
        return cls(network, recipe, read_bank(objects) if objects else None)

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        recipe = self.recipe
        shown = self.show(batch, generator)
        pairs = shown.pairs
        said = self.run(pairs)
        answers = said.answers
        proposals, strange = Proposals(*answers[:2]), Proposals(*answers[2:]) if answers[2:] else None
        scores = proposals.scores.detach()
        with torch.autocast(pairs.searches.device.type, enabled=False):
            grid = self.network.anchors.grid(proposals.logits.shape[-1])
            lesson = draw_anchors(grid, pairs.boxes, pairs.negative, recipe.loss, generator, scores)
            classification, regression = proposal_loss(proposals, lesson, recipe.loss, ~batch["loose"])
        values = {
            "loss": classification + recipe.loss.regression_weight * regression,
            "classification": classification,
            "regression": regression,
            "overlap": self._overlap(proposals.distances.detach(), scores, pairs),
        }
        if self.teachers:
            values["teaching"] = self._teaching(proposals, shown)
            values["loss"] = values["loss"] + recipe.teaching_weight * values["teaching"]
        if strange is not None:
            values["cross_video"] = cross_video_loss(strange, self.strangers(shown), recipe.loss, generator)
            values["loss"] = values["loss"] + recipe.cross_video_weight * values["cross_video"]
        return self.taught_features(values, shown, said)

    def answers(self, exemplars: torch.Tensor, searches: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Logits and distances of the pairs, and, where other videos count, those of each exemplar in the search image
        before its own.

        Both go through the head as one batch. Were the negatives normalised otherwise than the pairs, by running
        statistics for instance, then shifting features in a way that the pairs' normalisation hides would be an easier
        way to a low loss than telling targets apart.
        """
        network = self.network
        kernels, features = network.kernels(exemplars), network.trimmed(searches)
        if not self.recipe.cross_video_weight:
            return tuple(network.head(features, kernels))
        both = network.head(
            torch.cat((features, features.roll(1, dims=0))), Kernels(*(part.repeat(2, 1, 1, 1) for part in kernels))
        )
        halves = (slice(len(features)), slice(len(features), None))
        return tuple(part[half] for half in halves for part in both)

    def _teaching(self, proposals: Proposals, shown: Shown) -> torch.Tensor:
        """Loss of the most probable anchors of all cells against what teachers say there."""
        settings, pairs = self.recipe.teaching, shown.pairs
        with torch.autocast(pairs.searches.device.type, enabled=False):
            grid = self.network.anchors.grid(proposals.logits.shape[-1])
            logits, boxes = most_probable(proposals, grid)
            lesson = self.teach(shown, grid[0, ..., :2], settings)
            exact = ~shown.batch["loose"] & ~pairs.negative
            scores, extents = teaching_loss(logits, boxes, lesson, pairs.boxes, exact, settings)
        return settings.classification_weight * scores + extents

    def _overlap(self, distances: torch.Tensor, scores: torch.Tensor, pairs: Pairs) -> torch.Tensor:
        """Mean IoU of the most probable proposals with the targets that are there."""
        boxes = self._best(distances, scores)
        present = ~pairs.negative
        return (centred_iou(boxes, pairs.boxes) * present).sum() / present.sum().clamp_min(1)

    def _best(self, distances: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The most probable proposal (N, 4) of each image: centre from its middle, width, height."""
        boxes = decode(distances.float().permute(0, 2, 3, 4, 1), self.network.anchors.grid(scores.shape[-1]))
        place = scores.flatten(1).argmax(dim=1)
        return boxes.flatten(1, 3)[torch.arange(len(place), device=place.device), place]

    def pictures(self, batch: Batch) -> list[list[Picture]]:
        """A pair a row: the exemplar, the search image with the true box and the proposed one, and the scores."""
        pairs = self.augment(batch, self.generator(0))
        proposals = self.network(pairs.exemplars, pairs.searches)
        scores = proposals.scores
        best = self._best(proposals.distances, scores)
        return proposal_rows(pairs, best, scores.amax(dim=1), self.network.backbone.stride)

    def tracker(self, network: nn.Module) -> Tracker:
        assert isinstance(network, SiamRPNNetwork)
        # Never LOST, so that the figure is about the network and not about thresholds.
        config = replace(self.recipe.tracking, lost=LostConfig(enabled=False))
        return Tracker(SiamRPNModel.from_network(network, config, self.device, self.kind))

    def description(self) -> dict[str, Any]:
        recipe = self.recipe
        network = {
            **described(recipe.backbone, recipe.backbone_options),
            "head": recipe.head,
            "hidden": recipe.hidden,
            "ratios": list(recipe.ratios),
            "exemplar_margin": recipe.exemplar_margin,
            "search_margin": recipe.search_margin,
        }
        return {"tracker": self.kind, "network": network, "config": departures(recipe.tracking)}


def most_probable(proposals: Proposals, anchors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-odds (N, rows, columns) and boxes (N, rows, columns, 4) of the most probable anchor in each cell.

    Args:
        proposals: of the network.
        anchors: (k, rows, columns, 4), by centre and size, as the boxes are.
    """
    background, target = proposals.logits.float().unbind(dim=1)
    odds = target - background
    best = odds.argmax(dim=1, keepdim=True)
    boxes = decode(proposals.distances.float().permute(0, 2, 3, 4, 1), anchors)
    return odds.gather(1, best)[:, 0], boxes.gather(1, best[..., None].expand(-1, -1, -1, -1, 4))[:, 0]
