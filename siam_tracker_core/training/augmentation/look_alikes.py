"""Look-alikes: targets of other videos, pasted beside a pair's own.

Tracks are prepared one target at a time, and few show another of its kind close by. What is pasted is known to be
another target, whatever a teacher thinks of it. Not in the papers; DaSiamRPN (Zhu et al., 2018, section 3.2) draws
whole images of other targets of one class.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from annotated_types import Gt, Le

from siam_tracker_core.config import STRICT
from siam_tracker_core.limits import Share
from siam_tracker_core.training.augmentation.occlusion import BANK_SIZE, paste
from siam_tracker_core.training.augmentation.views import Views
from siam_tracker_core.training.engine.module import Batch

# of the pasted square's side to the longer side of its target
CONTEXT = 1.2


@dataclass(frozen=True)
class LookAlikes:
    """How often another target stands beside the pair's own.

    Attributes:
        probability: share of search images with one.
        resize: largest relative change of its size from the target's own, drawn uniformly.
        max_gap: largest distance between both, as a share of where they would touch; drawn uniformly from touching.
    """

    probability: Share = 0.0
    resize: Annotated[float, Gt(0), Le(0.9)] = 0.25
    max_gap: Annotated[float, Gt(0), Le(4)] = 0.8

    __pydantic_config__ = STRICT


class Beside(NamedTuple):
    """Crops with another target in some.

    Attributes:
        searches: uint8 (N, S, S, 3), BGR.
        boxes: (N, 4), of what was pasted: centre from the crop's middle, width and height in crop pixels; without
            extent where nothing was.
    """

    searches: torch.Tensor
    boxes: torch.Tensor


def put_beside(batch: Batch, settings: LookAlikes, generator: torch.Generator) -> Beside:
    """Paste the exemplar of the sample before beside a share of the targets, at the target's scale.

    Nothing is pasted into search images without the target, nor where the sample before is of the same track.

    Args:
        batch: of a ``PairModule``.
        settings: how often, and where.
        generator: on the CPU; the same one pastes the same on every device.
    """
    searches, device = batch["search"], batch["search"].device
    if not settings.probability:
        return Beside(searches, torch.zeros(len(searches), 4, device=device))
    draws = torch.rand((len(searches), 4), generator=generator).to(device)
    donors, targets = batch["exemplar_size"].roll(1, dims=0), batch["search_size"]
    chosen = (draws[:, 0] < settings.probability) & ~batch["negative"] & (batch["track"] != batch["track"].roll(1))
    which = chosen.nonzero().flatten()
    if not len(which):
        return Beside(searches, torch.zeros(len(searches), 4, device=device))
    draws, donors, targets = draws[which], donors[which], targets[which]
    factor = (targets.prod(dim=1) / donors.prod(dim=1).clamp_min(1.0)).sqrt() * (
        1 + settings.resize * (2 * draws[:, 1] - 1)
    )
    sizes = donors * factor[:, None]
    centres = _clear_of(targets, sizes, 2 * math.pi * draws[:, 2], 1 + settings.max_gap * draws[:, 3])
    squares = CONTEXT * donors.amax(dim=1)
    objects = _cut_out(batch["exemplar"].roll(1, dims=0)[which], donors, squares)
    images = searches[which].permute(0, 3, 1, 2).float()
    images = paste(images, objects, centres, (squares * factor).clamp_min(1e-3))
    pasted = images.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
    boxes = torch.zeros(len(searches), 4, device=device)
    boxes[which] = torch.cat((centres, sizes), dim=1)
    return Beside(searches.index_copy(0, which, pasted), boxes)


def _clear_of(targets: torch.Tensor, sizes: torch.Tensor, angles: torch.Tensor, gap: torch.Tensor) -> torch.Tensor:
    """Centres (N, 2) in directions (N,) from targets in the middle, ``gap`` times as far as where both boxes touch."""
    direction = torch.stack((angles.cos(), angles.sin()), dim=1)
    touching = ((targets + sizes) / 2 / direction.abs().clamp_min(1e-6)).amin(dim=1)
    return direction * (touching * gap)[:, None]


def _cut_out(crops: torch.Tensor, sizes: torch.Tensor, squares: torch.Tensor) -> torch.Tensor:
    """Squares about the targets in the middle, uint8 (N, B, B, 4) BGR and alpha that fades at the box's edge."""
    still = torch.zeros(len(crops), dtype=torch.bool, device=crops.device)
    views = Views(torch.zeros_like(sizes), (squares / BANK_SIZE)[:, None].expand(-1, 2), still)
    colours = views.resample(crops, BANK_SIZE)
    offsets = (torch.arange(BANK_SIZE, device=crops.device) + 0.5 - BANK_SIZE / 2) / BANK_SIZE * 2
    reach = (sizes / squares[:, None])[:, :, None]
    # fourth powers: an ellipse that fills the corners of its box, as most targets do
    radius = (offsets / reach[:, 0]).pow(4)[:, None, :] + (offsets / reach[:, 1]).pow(4)[:, :, None]
    alpha = ((1.3 - radius) / 0.6).clamp(0, 1) * 255
    return torch.cat((colours, alpha[:, None]), dim=1).permute(0, 2, 3, 1).round().to(torch.uint8)
