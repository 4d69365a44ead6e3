"""Training of the anchor-free network by published trackers and labels together."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from siam_tracker_core.config import STRICT, departures
from siam_tracker_core.limits import Count
from siam_tracker_core.networks import backbone
from siam_tracker_core.networks.anchors import centred_iou
from siam_tracker_core.networks.rpn import Proposals
from siam_tracker_core.networks.siamban import PixelwiseHead, SiamBANNetwork, anchor_free
from siam_tracker_core.trackers.common.lost import LostConfig
from siam_tracker_core.trackers.siamban import SiamBANConfig
from siam_tracker_core.trackers.siamrpn import SiamRPNModel
from siam_tracker_core.trackers.tracker import Tracker
from siam_tracker_core.training.augmentation.occlusion import read_bank
from siam_tracker_core.training.augmentation.views import Jitter
from siam_tracker_core.training.engine.module import Batch, Picture
from siam_tracker_core.training.engine.pair_module import Pairs
from siam_tracker_core.training.proposal_pictures import proposal_rows
from siam_tracker_core.training.teaching.lesson import TeachingLoss, teaching_loss
from siam_tracker_core.training.teaching.taught_module import TaughtModule, TaughtTraining


@dataclass(frozen=True)
class SiamBANTraining(TaughtTraining):
    """Settings of the training.

    Attributes:
        backbone: name of the network that sees the images; its stride is 16.
        hidden: channels of the head's towers.
        depth: separable convolutions in each tower.
        kernel: side of their depth-wise convolutions in cells.
        loss: of scores and boxes.
        tracking: settings of the tracker, which validate and stay with the weights.
    """

    search_view: Jitter = field(default_factory=lambda: Jitter(shift=60.0, scale=0.2, stretch=0.12))
    backbone: str = "mobilenetv2_stride16"
    hidden: Count = 128
    depth: Count = 3
    kernel: Count = 5
    loss: TeachingLoss = field(default_factory=TeachingLoss)
    tracking: SiamBANConfig = field(default_factory=SiamBANConfig)

    __pydantic_config__ = STRICT


def initialise(head: PixelwiseHead) -> None:
    """Hardly an opinion at first: scores of 0.05 everywhere, and boxes of four strides a side."""
    for layer in head.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    for last, bias in ((head.cls[-1], -3.0), (head.loc[-1], float(np.log(2.0)))):
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.normal_(last.weight, std=0.01)
        nn.init.constant_(last.bias, bias)


class SiamBANModule(TaughtModule):
    """Trains a ``SiamBANNetwork`` on pairs; see ``TaughtModule`` for the batch.

    Args:
        network: to train.
        recipe: settings.
        bank: objects to paste; None pastes nothing.

    Raises:
        WeightsError: if a teacher's files are missing or damaged.
    """

    kind = "siamban"
    recipe_class = SiamBANTraining
    exemplar_branch = "template"
    recipe: SiamBANTraining
    network: SiamBANNetwork

    @classmethod
    def build(cls, recipe: SiamBANTraining, objects: Path | None = None) -> SiamBANModule:
        """A module with a new network.

        Raises:
            ConfigError: if there is no backbone of that name.
            DatasetError: if ``objects`` holds none.
        """
        features = backbone(recipe.backbone)
        network = anchor_free(features, asdict(recipe), recipe.exemplar_size)
        initialise(network.head)
        return cls(network, recipe, read_bank(objects) if objects else None)

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        settings = self.recipe.loss
        shown = self.show(batch, generator)
        pairs, points = shown.pairs, self.network.points(self._cells(shown.pairs), shown.pairs.boxes.device)
        lesson = self.teach(shown, points, settings)
        said = self.run(pairs)
        proposals = Proposals(*said.answers)
        with torch.autocast(pairs.searches.device.type, enabled=False):
            logits = proposals.logits.float()[:, 1, 0]
            boxes = self.network.boxes(proposals.distances)[:, 0]
            exact = ~batch["loose"] & ~pairs.negative
            classification, regression = teaching_loss(logits, boxes, lesson, pairs.boxes, exact, settings)
        values = {
            "loss": settings.classification_weight * classification + regression,
            "classification": classification,
            "regression": regression,
            "overlap": self._overlap(logits.detach(), boxes.detach(), pairs),
            "taught": lesson.taught.sum() / (~pairs.negative).sum().clamp_min(1),
        }
        return self.taught_features(values, shown, said)

    def _cells(self, pairs: Pairs) -> int:
        return -(-pairs.searches.shape[-1] // self.network.backbone.stride) - 1

    def answers(self, exemplars: torch.Tensor, searches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        head = self.network.head
        logits, distances = head(searches, head.kernels(exemplars))
        return logits[..., 1:, 1:], distances[..., 1:, 1:]

    def _overlap(self, logits: torch.Tensor, boxes: torch.Tensor, pairs: Pairs) -> torch.Tensor:
        """Mean IoU of the most probable boxes with the targets that are there."""
        best = _best(logits, boxes)
        present = ~pairs.negative
        return (centred_iou(best, pairs.boxes) * present).sum() / present.sum().clamp_min(1)

    def pictures(self, batch: Batch) -> list[list[Picture]]:
        """A pair a row, see ``proposal_rows``."""
        pairs = self.augment(batch, self.generator(0))
        proposals = self.network(pairs.exemplars, pairs.searches)
        scores, boxes = proposals.scores[:, 0], self.network.boxes(proposals.distances)[:, 0]
        return proposal_rows(pairs, _best(scores, boxes), scores, self.network.backbone.stride)

    def tracker(self, network: nn.Module) -> Tracker:
        assert isinstance(network, SiamBANNetwork)
        # Never LOST, so that the figure is about the network and not about thresholds.
        config = replace(self.recipe.tracking, lost=LostConfig(enabled=False))
        return Tracker(SiamRPNModel.from_network(network, config, self.device, self.kind))

    def description(self) -> dict[str, Any]:
        recipe = self.recipe
        network = {name: getattr(recipe, name) for name in ("backbone", "hidden", "depth", "kernel")}
        return {"tracker": self.kind, "network": network, "config": departures(recipe.tracking)}


def _best(scores: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """The boxes (N, 4) of the highest scores; scores (N, rows, columns), boxes (N, rows, columns, 4)."""
    place = scores.flatten(1).argmax(dim=1)
    return boxes.flatten(1, 2)[torch.arange(len(place), device=place.device), place]
