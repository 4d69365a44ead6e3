"""The filter and its lessons: regularised least squares on search features, in closed form.

Let x_i be the projected features (D, rows, columns) of frame i, U_i (D K^2, cells) its patches of K x K cells around
every cell of the map, y_i (cells) a Gaussian around the target, and v_i (cells) the weights of cells. The filter w
minimises

    sum_i a_i / cells * sum_c v_ic (w . U_ic - y_ic)^2 + lambda |w|^2,

so it solves (A + lambda I) w = b with A = sum_i a_i U_i diag(v_i) U_i^T / cells and
b = sum_i a_i U_i (v_i y_i) / cells.
Frames enter by A and b alone. With weights a_i that fade geometrically both are running means, which are a memory of
every frame that was ever learned from, in D K^2 squared numbers. A few steps of conjugate gradients from the filter of
before follow them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional


class Projection(NamedTuple):
    """From features to the channels that the filter works on.

    Attributes:
        mean: (C,), of the first frame's features.
        matrix: (D, C), their first principal directions, over the root of the mean squared length.
    """

    mean: torch.Tensor
    matrix: torch.Tensor


class Statistics(NamedTuple):
    """What the least squares know of frames.

    Attributes:
        gram: (..., n, n), A.
        target: (..., n), b.
    """

    gram: torch.Tensor
    target: torch.Tensor

    def mixed(self, other: Statistics, share: float) -> Statistics:
        """A mean with ``share`` of the other."""
        return Statistics(*(own.lerp(new, share) for own, new in zip(self, other, strict=True)))


def principal(features: torch.Tensor, channels: int) -> Projection:
    """The projection to the principal directions of features (N, C, rows, columns).

    Projected features have a mean squared length of 1 on these.
    """
    flat = features.float().transpose(0, 1).flatten(1)
    mean = flat.mean(dim=1)
    centred = flat - mean[:, None]
    directions = torch.linalg.eigh(centred @ centred.T / centred.shape[1]).eigenvectors[:, -channels:].T
    # The sign of a direction is left open by its definition: its largest number is made positive.
    largest = directions.gather(1, directions.abs().argmax(dim=1, keepdim=True))
    directions = directions * largest.sign()
    scale = (directions @ centred).square().sum(dim=0).mean().sqrt().clamp_min(1e-6)
    return Projection(mean, directions / scale)


def project(features: torch.Tensor, projections: Projection) -> torch.Tensor:
    """Features (N, C, rows, columns) by N projections, each with a first dimension N: (N, D, rows, columns)."""
    centred = features.float().flatten(2) - projections.mean[:, :, None]
    return torch.bmm(projections.matrix, centred).unflatten(2, features.shape[2:])


def respond(samples: torch.Tensor, filters: torch.Tensor, kernel: int, size: int, dilation: int = 1) -> torch.Tensor:
    """The responses of N filters.

    Args:
        samples: (N, D, rows, columns).
        filters: (N, D * kernel^2).
        kernel: side of the filters in cells.
        size: side of the map in cells.
        dilation: distance of neighbouring taps in cells.

    Returns:
        (N, size, size), the middle ones of the samples' cells.
    """
    count, channels = samples.shape[:2]
    weights = filters.view(count, channels, kernel, kernel)
    stacked = samples.reshape(1, count * channels, *samples.shape[2:])
    padding = dilation * (kernel // 2)
    maps = functional.conv2d(stacked, weights, groups=count, padding=padding, dilation=dilation)[0]
    return _middle(maps, size)


def patches(samples: torch.Tensor, kernel: int, size: int, dilation: int = 1) -> torch.Tensor:
    """U: the patches (N, D * kernel^2, size^2) around the middle cells of samples (N, D, rows, columns)."""
    padding = dilation * (kernel // 2)
    unfolded = functional.unfold(samples, kernel, dilation=dilation, padding=padding)
    return _middle(unfolded.unflatten(2, samples.shape[2:]), size).flatten(2)


def statistics(around: torch.Tensor, wanted: torch.Tensor) -> Statistics:
    """A and b of N frames whose cells all weigh 1.

    Args:
        around: (N, n, cells), of ``patches``.
        wanted: (N, cells).
    """
    cells = around.shape[-1]
    return Statistics(
        torch.bmm(around, around.transpose(1, 2)) / cells, torch.bmm(around, wanted[:, :, None])[..., 0] / cells
    )


def with_frames(
    known: Statistics, around: torch.Tensor, wanted: torch.Tensor, rate: float, weights: torch.Tensor | None = None
) -> Statistics:
    """Running means of N targets after a frame more of each: known (1 - rate) + new rate, in one pass over the memory.

    Args:
        known: of N targets.
        around: (N, n, cells), of ``patches``.
        wanted: (N, cells).
        rate: weight of the new frames.
        weights: (N, cells) of cells; 1 by default.
    """
    weighted = around if weights is None else around * weights[:, None]
    share = rate / around.shape[-1]
    target = torch.baddbmm(known.target[..., None], weighted, wanted[..., None], beta=1 - rate, alpha=share)
    gram = torch.baddbmm(known.gram, weighted, around.transpose(1, 2), beta=1 - rate, alpha=share)
    return Statistics(gram, target[..., 0])


def descend(known: Statistics, filters: torch.Tensor, regularisation: float, iterations: int) -> torch.Tensor:
    """Steps of conjugate gradients on (A + lambda I) w = b for N targets, from ``filters`` (N, n)."""

    def applied(vectors: torch.Tensor) -> torch.Tensor:
        columns = vectors[..., None]
        return torch.baddbmm(columns, known.gram, columns, beta=regularisation)[..., 0]

    def product(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return torch.linalg.vecdot(one, other)[:, None]

    residual = known.target - applied(filters)
    direction, square = residual, product(residual, residual)
    for _ in range(iterations):
        image = applied(direction)
        step = square / product(direction, image).clamp_min(1e-12)
        filters = torch.addcmul(filters, step, direction)
        residual = torch.addcmul(residual, step, image, value=-1)
        following = product(residual, residual)
        direction = torch.addcmul(residual, following / square.clamp_min(1e-12), direction)
        square = following
    return filters


def gaussians(centres: torch.Tensor, deviations: torch.Tensor, size: int) -> torch.Tensor:
    """Gaussians of height 1 on maps.

    Args:
        centres: (N, 2), x and y in cells from the map's middle.
        deviations: (N, 2), in cells.
        size: side of the maps in cells.

    Returns:
        (N, size, size).
    """
    steps = torch.arange(size, device=centres.device) - (size - 1) / 2
    squares = ((steps - centres[..., None]) / deviations[..., None]).square()
    return torch.exp(-(squares[:, 1, :, None] + squares[:, 0, None, :]) / 2)


def _middle(maps: torch.Tensor, size: int) -> torch.Tensor:
    margin = (maps.shape[-1] - size) // 2
    return maps[..., margin : margin + size, margin : margin + size] if margin else maps
