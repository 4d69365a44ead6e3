"""Patches of many boxes at once, mirrored and turned, for the training of MDNet."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from siam_tracker_core.networks.mdnet import CONTEXT, CROP_SIZE


def mirrored(boxes: torch.Tensor, flips: torch.Tensor, side: int) -> torch.Tensor:
    """Boxes (N, k, 4) of ``x, y, width, height`` in those of N crops that are mirrored left and right: bool (N,)."""
    left = torch.where(flips[:, None], side - boxes[..., 0] - boxes[..., 2], boxes[..., 0])
    return torch.cat((left[..., None], boxes[..., 1:]), dim=2)


def draw_turns(boxes: torch.Tensor, largest: float, generator: torch.Generator) -> torch.Tensor:
    """Angles (N, k) in radians for boxes (N, k, 4): up to ``largest`` degrees either way for half of them, else 0."""
    shape, device = boxes.shape[:2], generator.device
    turned = torch.rand(shape, generator=generator, device=device) < 0.5
    angles = (2 * torch.rand(shape, generator=generator, device=device) - 1) * math.radians(largest)
    return (angles * turned).to(boxes.device)


def sample_boxes(
    images: torch.Tensor, boxes: torch.Tensor, context: float = CONTEXT, turns: torch.Tensor | None = None
) -> torch.Tensor:
    """What is in boxes with MDNet's margin, as a tracker sees it; continued with the image's mean colour.

    Args:
        images: float (N, C, H, W).
        boxes: (N, k, 4) of ``x, y, width, height`` in pixels.
        context: side of what is seen relative to that of the box.
        turns: (N, k) angles in radians by which the patches, which are square, are turned clockwise; none by default.

    Returns:
        (N, k, C, 107, 107).
    """
    height, width = images.shape[2:]
    steps = ((torch.arange(CROP_SIZE, device=images.device) + 0.5) / CROP_SIZE - 0.5) * context
    across, down = steps.expand(CROP_SIZE, -1), steps[:, None].expand(-1, CROP_SIZE)
    if turns is not None:
        cosine, sine = turns.cos()[..., None, None], turns.sin()[..., None, None]
        across, down = cosine * across + sine * down, cosine * down - sine * across
    sizes = boxes[..., 2:].float()
    middles = boxes[..., :2].float() + sizes / 2
    along_x = (middles[..., :1, None] + across * sizes[..., :1, None]) * (2 / width) - 1
    along_y = (middles[..., 1:, None] + down * sizes[..., 1:, None]) * (2 / height) - 1
    # The patches of an image lie below each other in one grid, so that the image is not repeated.
    grid = torch.stack((along_x, along_y), dim=-1).flatten(1, 2)
    mean = images.mean(dim=(2, 3), keepdim=True)
    sampled = functional.grid_sample(images - mean, grid, mode="bilinear", align_corners=False) + mean
    return sampled.unflatten(2, (boxes.shape[1], CROP_SIZE)).transpose(1, 2)
