"""Which anchors teach a proposal network, and its loss (SiamRPN sections 3.2 and 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch.nn import functional

from siam_tracker_core.config import STRICT
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.limits import Count, NotNegative, Positive, Share
from siam_tracker_core.networks.anchors import centred_giou, centred_iou, decode, encode
from siam_tracker_core.networks.rpn import Proposals


@dataclass(frozen=True)
class ProposalLoss:
    """Settings of the loss; defaults are the paper's where it gives a value.

    Attributes:
        positive_iou: anchors whose IoU with the target exceeds this are positive.
        negative_iou: anchors below this are negative; those between teach nothing.
        max_positives: anchors taken of a pair at most.
        samples: anchors of both kinds taken of a pair.
        hard_negative_share: share of a pair's negatives that are those most taken for the target; the others are drawn
            at random, as all are in the paper (Shrivastava et al., 2016, mine them so for detection).
        balanced: positives and negatives weigh one half each, as in published implementations; otherwise each
            anchor weighs the same.
        regression: ``smooth_l1`` (equation 4) or ``l1`` (published implementations).
        sigma: of equation 4.
        giou_weight: weight, relative to that, of one less the generalised IoU of the positives' boxes, which is nearer
            to what trackers are measured by than four distances are; 0 in the paper (Rezatofighi et al., 2019).
        regression_weight: lambda of equation 5.
    """

    positive_iou: Share = 0.6
    negative_iou: Share = 0.3
    max_positives: Count = 16
    samples: Count = 64
    hard_negative_share: Share = 0.0
    balanced: bool = True
    regression: Literal["smooth_l1", "l1"] = "smooth_l1"
    sigma: Positive = 3.0
    giou_weight: NotNegative = 0.0
    regression_weight: NotNegative = 1.2

    __pydantic_config__ = STRICT
    __renamed__: ClassVar[dict[str, str]] = {
        "hard": "hard_negative_share",
        "most_positives": "max_positives",
        "negative": "negative_iou",
        "overlap": "giou_weight",
        "positive": "positive_iou",
    }

    def __post_init__(self) -> None:
        if self.negative_iou > self.positive_iou:
            raise ConfigError(
                f"negative_iou {self.negative_iou:g} is above positive_iou {self.positive_iou:g}; "
                "anchors between would be both"
            )
        if self.max_positives > self.samples:
            raise ConfigError(f"max_positives {self.max_positives} is more than all samples, {self.samples}")


@dataclass(frozen=True)
class Lesson:
    """What the anchors of a batch are to learn.

    Attributes:
        positive, negative: bool (N, k, rows, columns), the anchors drawn of each kind; they never overlap.
        distances: (N, k, rows, columns, 4), equation 3; meaningful for positives only.
    """

    positive: torch.Tensor
    negative: torch.Tensor
    distances: torch.Tensor


def draw_anchors(
    anchors: torch.Tensor,
    targets: torch.Tensor,
    absent: torch.Tensor,
    settings: ProposalLoss,
    generator: torch.Generator | None = None,
    scores: torch.Tensor | None = None,
) -> Lesson:
    """Choose positives and negatives for each pair.

    Args:
        anchors: (k, rows, columns, 4), centre and size in search pixels from the crop's middle.
        targets: (N, 4), likewise.
        absent: bool (N,), the search image does not show the target: all anchors are negative.
        settings: thresholds and numbers.
        generator: on the CPU; the same one gives the same choice on every device.
        scores: (N, k, rows, columns), how much each anchor is taken for the target; hard negatives are chosen by it.

    Returns:
        The choice: at most ``max_positives`` positives a pair, and negatives up to ``samples`` in all.
    """
    overlap = centred_iou(anchors, targets[:, None, None, None])
    absent = absent[:, None, None, None]
    positive = _some((overlap > settings.positive_iou) & ~absent, settings.max_positives, generator)
    room = settings.samples - positive.flatten(1).sum(dim=1)
    background = (overlap < settings.negative_iou) | absent
    negative = _negatives(background, room, scores, settings.hard_negative_share, generator)
    # A target that is not there has no extent, whose logarithm would spoil the loss although its weight is nought.
    targets = torch.cat((targets[:, :2], targets[:, 2:].clamp_min(1)), dim=1)
    return Lesson(positive, negative, encode(targets[:, None, None, None], anchors))


def _some(allowed: torch.Tensor, most: int | torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """A random subset (N, ...) of the true entries of each row, at most ``most`` of them."""
    return _first(allowed, torch.rand(allowed.flatten(1).shape, generator=generator).to(allowed.device), most)


def _first(allowed: torch.Tensor, order: torch.Tensor, most: int | torch.Tensor) -> torch.Tensor:
    """Those true entries (N, ...) of each row that come first by ``order`` (N, n), at most ``most`` of them."""
    flat = allowed.flatten(1)
    rank = order.masked_fill(~flat, torch.inf).argsort(dim=1).argsort(dim=1)
    limit = most[:, None] if isinstance(most, torch.Tensor) else most
    return (flat & (rank < limit)).view_as(allowed)


def _negatives(
    allowed: torch.Tensor,
    room: torch.Tensor,
    scores: torch.Tensor | None,
    hard: float,
    generator: torch.Generator | None,
) -> torch.Tensor:
    """As many of the entries (N, ...) allowed as there is room (N,) for: the hardest, and others at random."""
    if scores is None or not hard:
        return _some(allowed, room, generator)
    hardest = _first(allowed, -scores.flatten(1), (hard * room).round())
    return hardest | _some(allowed & ~hardest, room - hardest.flatten(1).sum(dim=1), generator)


def proposal_loss(
    proposals: Proposals, lesson: Lesson, settings: ProposalLoss, exact: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Classification and regression loss of a batch, the latter without its weight (equations 3 to 6).

    A batch without positives has no regression loss, and one without negatives only half a classification loss.

    Args:
        proposals: of the network.
        lesson: what they are to be.
        settings: of the loss.
        exact: bool (N,), the pairs whose labels teach extents; all by default.
    """
    logits = proposals.logits.float()
    background, target = functional.log_softmax(logits, dim=1).neg().unbind(dim=1)
    positives, negatives = lesson.positive.sum().clamp_min(1), lesson.negative.sum().clamp_min(1)
    of_positives = (target * lesson.positive).sum()
    of_negatives = (background * lesson.negative).sum()
    if settings.balanced:
        classification = 0.5 * of_positives / positives + 0.5 * of_negatives / negatives
    else:
        classification = (of_positives + of_negatives) / (lesson.positive | lesson.negative).sum().clamp_min(1)
    distances = proposals.distances.float().permute(0, 2, 3, 4, 1)
    error = distances - lesson.distances
    each = (smooth_l1(error, settings.sigma) if settings.regression == "smooth_l1" else error.abs()).sum(dim=-1)
    if settings.giou_weight:
        each = each + settings.giou_weight * (1 - _giou(distances, lesson.distances))
    shaped = lesson.positive if exact is None else lesson.positive & exact[:, None, None, None]
    regression = (each * shaped).sum() / shaped.sum().clamp_min(1)
    return classification, regression


def _giou(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Generalised IoU of boxes given by distances (..., 4) from the same anchors, whose sizes make no difference."""
    unit = first.new_tensor((0.0, 0.0, 1.0, 1.0))
    return centred_giou(decode(first, unit), decode(second, unit))


def cross_video_loss(
    proposals: Proposals, counted: torch.Tensor, settings: ProposalLoss, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Classification loss of search images that show another video: all anchors are background.

    As many negatives of an image as a pair has samples, drawn as for a pair without its target.

    Args:
        proposals: of exemplars and other videos' search images.
        counted: bool (N,), the images that count.
        settings: of the draw.
        generator: on the CPU.

    Returns:
        The mean over the anchors drawn; 0 where no image counts.
    """
    logits = proposals.logits.float()
    background = functional.log_softmax(logits, dim=1)[:, 0].neg()
    allowed = counted[:, None, None, None].expand_as(background)
    room = torch.full((len(logits),), settings.samples, device=logits.device)
    drawn = _negatives(allowed, room, proposals.scores.detach(), settings.hard_negative_share, generator)
    return (background * drawn).sum() / drawn.sum().clamp_min(1)


def smooth_l1(error: torch.Tensor, sigma: float) -> torch.Tensor:
    """Equation 4, elementwise."""
    bend = 1 / sigma**2
    size = error.abs()
    return torch.where(size < bend, 0.5 * sigma**2 * error.square(), size - 0.5 * bend)
