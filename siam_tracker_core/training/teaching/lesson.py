"""What a student is to say of a pair: teachers' answers where the labels confirm them, the labels where none is right.

Teachers tell more than labels do: how alike every place of the search image is, and the box as seen from every cell.
They are wrong at times, and a label is the only witness of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from annotated_types import Ge
from torch.nn import functional

from siam_tracker_core.config import STRICT
from siam_tracker_core.limits import NotNegative, Positive, Share
from siam_tracker_core.networks.anchors import centred_giou, centred_iou
from siam_tracker_core.training.teaching.teachers import Answers


@dataclass(frozen=True)
class TeachingLoss:
    """Settings of learning from teachers.

    Attributes:
        agreement: least IoU of a teacher's best box with the label for the teacher to be heard; a loose label needs
            half of it.
        elsewhere: share of the teachers' scores that is kept outside the label's box. What they like there is not the
            target, and a student that copies it is as sure of look-alikes as they are; 1 copies it.
        temperature: by which the teachers' log-odds are divided; above 1 their scores are softer (Hinton et al., 2015,
            equation 1, of two classes).
        sure: cells whose score is at least this teach boxes.
        emphasis: a cell of score s weighs 1 + emphasis * s in the classification.
        focus: beta of the quality focal loss (Li et al., 2020, equation 6): a cell weighs as much as its score is off,
            to this power, so that look-alikes count and easy background does not. The loss is then a sum over cells for
            each unit of the lesson's score, as there. 0 leaves the weighted mean over all cells.
        classification_weight: of the cross-entropy, relative to the boxes' loss.
        truth: weight of the labels' own boxes, relative to the teachers', where labels are exact.
        spread: standard deviation of the scores that a label alone teaches, as a share of the box's sides.
    """

    agreement: Share = 0.4
    elsewhere: Share = 1.0
    temperature: Positive = 1.0
    sure: Share = 0.3
    emphasis: NotNegative = 4.0
    focus: NotNegative = 0.0
    classification_weight: NotNegative = 4.0
    truth: NotNegative = 1.0
    spread: Annotated[float, Ge(0.05)] = 0.2

    __pydantic_config__ = STRICT


class Lesson(NamedTuple):
    """Targets for N pairs on the student's grid.

    Attributes:
        scores: (N, rows, columns), 0..1.
        boxes: (N, rows, columns, 4), by centre and size.
        taught: float (N,), 1 where a teacher is heard.
    """

    scores: torch.Tensor
    boxes: torch.Tensor
    taught: torch.Tensor


def labelled_scores(points: torch.Tensor, boxes: torch.Tensor, spread: float) -> torch.Tensor:
    """Scores (N, rows, columns) that fall off from a box's middle as a Gaussian of its shape.

    Args:
        points: (rows, columns, 2).
        boxes: (N, 4), by centre and size.
        spread: standard deviation as a share of the sides.
    """
    distance = (points - boxes[:, None, None, :2]) / (boxes[:, None, None, 2:].clamp_min(1.0) * spread)
    return torch.exp(-0.5 * distance.square().sum(dim=-1))


def make_lesson(
    answers: list[Answers],
    labels: torch.Tensor,
    negative: torch.Tensor,
    loose: torch.Tensor,
    points: torch.Tensor,
    settings: TeachingLoss,
) -> Lesson:
    """Put teachers' answers and labels together.

    Args:
        answers: of each teacher, on the student's grid.
        labels: (N, 4), the targets by centre and size.
        negative: bool (N,), where the search image does not show the target.
        loose: bool (N,), where labels are not exact.
        points: (rows, columns, 2), of the grid.
        settings: of the loss.
    """
    scores = labelled_scores(points, labels, settings.spread)
    boxes = labels[:, None, None].expand(*scores.shape, 4)
    needed = torch.where(loose, settings.agreement / 2, settings.agreement)
    heard = torch.stack([(centred_iou(each.best(), labels) >= needed).float() for each in answers]) if answers else None
    taught = torch.zeros_like(negative, dtype=torch.float32)
    if heard is not None:
        count = heard.sum(dim=0)
        share = (heard / count.clamp_min(1))[..., None, None]
        taught = (count > 0).float()
        said = sum(share[place] * softened(each.scores, settings.temperature) for place, each in enumerate(answers))
        shown = sum(share[place][..., None] * each.boxes for place, each in enumerate(answers))
        said = torch.where(_inside(points, labels), said, settings.elsewhere * said)
        confirmed = (count > 0)[:, None, None]
        scores, boxes = torch.where(confirmed, said, scores), torch.where(confirmed[..., None], shown, boxes)
    return Lesson(scores.masked_fill(negative[:, None, None], 0.0), boxes, taught * ~negative)


def softened(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    """Probabilities whose log-odds are those of the scores over the temperature; 0 and 1 stay."""
    return scores if temperature == 1 else (scores.logit() / temperature).sigmoid()


def without_others(lesson: Lesson, labels: torch.Tensor, others: torch.Tensor, points: torch.Tensor) -> Lesson:
    """The lesson with scores of 0 in boxes of what is known not to be the target, but for the target's own box.

    Args:
        lesson: as teachers and labels have it.
        labels: (N, 4), the targets by centre and size.
        others: (N, 4), one box of another target a pair; without extent, nothing is known.
        points: (rows, columns, 2), of the grid.
    """
    other = _inside(points, others) & ~_inside(points, labels)
    return lesson._replace(scores=lesson.scores.masked_fill(other, 0.0))


def _inside(points: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Bool (N, rows, columns), which points (rows, columns, 2) lie in boxes (N, 4) by centre and size."""
    return ((points - boxes[:, None, None, :2]).abs() < boxes[:, None, None, 2:] / 2).all(dim=-1)


def teaching_loss(
    logits: torch.Tensor,
    boxes: torch.Tensor,
    lesson: Lesson,
    labels: torch.Tensor,
    exact: torch.Tensor,
    settings: TeachingLoss,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The two scalars ``score_loss`` and ``box_loss``."""
    return score_loss(logits, lesson, settings), box_loss(boxes, lesson, labels, exact, settings)


def score_loss(logits: torch.Tensor, lesson: Lesson, settings: TeachingLoss) -> torch.Tensor:
    """Cross-entropy with soft scores.

    Args:
        logits: (N, rows, columns), of "target".
        lesson: what the student is to say.
        settings: of the loss.
    """
    weights = 1 + settings.emphasis * lesson.scores
    entropy = functional.binary_cross_entropy_with_logits(logits, lesson.scores, reduction="none")
    if settings.focus:
        off = (logits.detach().sigmoid() - lesson.scores).abs().pow(settings.focus)
        return (weights * off * entropy).sum() / lesson.scores.sum().clamp_min(1.0)
    return (weights * entropy).sum() / weights.sum()


def box_loss(
    boxes: torch.Tensor, lesson: Lesson, labels: torch.Tensor, exact: torch.Tensor, settings: TeachingLoss
) -> torch.Tensor:
    """One less the generalised IoU with the boxes of sure cells.

    Args:
        boxes: (N, rows, columns, 4), the student's, by centre and size.
        lesson: what it is to say.
        labels: (N, 4), the targets.
        exact: bool (N,), where labels teach extents.
        settings: of the loss.
    """
    # Each pair counts alike, whatever its target's size in cells.
    sure = lesson.scores * (lesson.scores >= settings.sure)
    cells = sure / sure.sum(dim=(1, 2), keepdim=True).clamp_min(1e-6)
    # A loose label says nothing of extents, unless a teacher does.
    cells = cells * (exact | (lesson.taught > 0))[:, None, None]
    share = settings.truth * exact[:, None, None]
    wanted = 1 - centred_giou(boxes, lesson.boxes)
    true = 1 - centred_giou(boxes, labels[:, None, None])
    return ((wanted + share * true) / (1 + share) * cells).sum() / cells.sum().clamp_min(1.0)
