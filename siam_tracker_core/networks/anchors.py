"""Anchor boxes on the grid of a proposal network's response (SiamRPN section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

RATIOS = (0.33, 0.5, 1.0, 2.0, 3.0)

# Side in search pixels of the cell that anchors are worked out from: the stride of the published networks.
_CELL = 8


def anchor_sizes(ratios: Sequence[float] = RATIOS, scale: float = 8.0) -> list[tuple[float, float]]:
    """Width and height in search pixels of one anchor for each ratio of height to width.

    A cell of 8x8 pixels is given the ratio, both sides are cut to whole pixels (but to no less than one) and multiplied
    by ``scale``; the cut is what published networks were trained with (reference values, section 2): 104x32, 88x40,
    64x64, 40x80 and 32x96 for the defaults.
    """
    sizes = []
    for ratio in ratios:
        width = max(1, int((_CELL * _CELL / ratio) ** 0.5))
        sizes.append((width * scale, max(1, int(width * ratio)) * scale))
    return sizes


class Anchors(nn.Module):
    """Anchors on a grid that is centred on the search crop, for odd and even sizes alike.

    Published implementations place the grid's first cell at ``-(size // 2) * stride``, which is off by half a cell for
    even sizes.

    Args:
        ratios: of height to width, one anchor each.
        stride: of the response in search pixels; the anchors' sizes do not depend on it, as the targets' do not.
        scale: side of the anchor of ratio 1 in units of 8 pixels.
    """

    sizes: torch.Tensor

    def __init__(self, ratios: Sequence[float] = RATIOS, stride: int = 8, scale: float = 8.0) -> None:
        super().__init__()
        self.ratios, self.stride = tuple(ratios), stride
        self.register_buffer("sizes", torch.tensor(anchor_sizes(ratios, scale)), persistent=False)
        self._grids: dict[tuple[int, torch.device], torch.Tensor] = {}

    def __len__(self) -> int:
        return len(self.ratios)

    def grid(self, size: int) -> torch.Tensor:
        """All anchors of a response of ``size`` x ``size`` cells.

        Returns:
            float32 (k, size, size, 4): centre x, centre y, width, height in search pixels from the crop's middle.
        """
        key = (size, self.sizes.device)
        if key not in self._grids:
            centres = cell_centres(size, size, self.stride, self.sizes.device).expand(len(self), -1, -1, -1)
            self._grids[key] = torch.cat((centres, self.sizes[:, None, None].expand(-1, size, size, -1)), dim=-1)
        return self._grids[key]


def cell_centres(rows: int, columns: int, stride: int, device: torch.device) -> torch.Tensor:
    """Where the cells of a response are, (rows, columns, 2): x and y in search pixels from the crop's middle."""
    across = (torch.arange(columns, device=device) - (columns - 1) / 2) * stride
    down = (torch.arange(rows, device=device) - (rows - 1) / 2) * stride
    return torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1)


def encode(targets: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
    """Normalised distances of boxes from anchors (SiamRPN equation 3).

    The paper prints the logarithms as ln(A / T); equation 12, which undoes them, needs ln(T / A), and so have all
    implementations.

    Args:
        targets, anchors: (..., 4) centre x, centre y, width, height; they broadcast.

    Returns:
        (..., 4): dx, dy, dw, dh.
    """
    centres = (targets[..., :2] - anchors[..., :2]) / anchors[..., 2:]
    return torch.cat((centres, (targets[..., 2:] / anchors[..., 2:]).log()), dim=-1)


def decode(distances: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
    """Boxes from normalised distances (SiamRPN equation 12).

    Inverse of ``encode`` for boxes whose sides are within a factor of e^4 of the anchor's.
    """
    centres = anchors[..., :2] + distances[..., :2] * anchors[..., 2:]
    # An untrained network must not overflow.
    return torch.cat((centres, anchors[..., 2:] * distances[..., 2:].clamp(-4, 4).exp()), dim=-1)


def centred_iou(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Intersection over union of boxes (..., 4) given by centre and size; they broadcast. 0 for empty boxes."""
    low = torch.maximum(first[..., :2] - first[..., 2:] / 2, second[..., :2] - second[..., 2:] / 2)
    high = torch.minimum(first[..., :2] + first[..., 2:] / 2, second[..., :2] + second[..., 2:] / 2)
    intersection = (high - low).clamp_min(0).prod(dim=-1)
    union = first[..., 2:].prod(dim=-1) + second[..., 2:].prod(dim=-1) - intersection
    return intersection / union.clamp_min(1e-9)


def centred_giou(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Generalised intersection over union (Rezatofighi et al., 2019, Algorithm 1) of boxes as in ``centred_iou``.

    The IoU less the share of the smallest box around both that neither covers: -1..1, and it says how far apart boxes
    are that do not overlap. Like the IoU it stays the same when either axis is scaled.
    """
    low = torch.minimum(first[..., :2] - first[..., 2:] / 2, second[..., :2] - second[..., 2:] / 2)
    high = torch.maximum(first[..., :2] + first[..., 2:] / 2, second[..., :2] + second[..., 2:] / 2)
    around = (high - low).prod(dim=-1).clamp_min(1e-9)
    iou = centred_iou(first, second)
    # The union, from the two areas and the IoU.
    union = (first[..., 2:].prod(dim=-1) + second[..., 2:].prod(dim=-1)) / (1 + iou)
    return iou - (around - union) / around


def suppress(boxes: torch.Tensor, scores: torch.Tensor, top_k: int, overlap: float) -> torch.Tensor:
    """Non-maximum suppression among the best proposals (SiamRPN section 4.3).

    Args:
        boxes: (M, 4), by centre and size.
        scores: (M,).
        top_k: so many of the highest scores take part.
        overlap: IoU above which the box with the lower score is left out.

    Returns:
        int64, indices of the boxes that remain, best first; of equal scores the earlier one is better. No two of them
        overlap by more than ``overlap``.
    """
    order = scores.argsort(descending=True, stable=True)[:top_k]
    near = centred_iou(boxes[order, None], boxes[order]) > overlap
    kept = torch.ones(len(order), dtype=torch.bool, device=boxes.device)
    for place, too_near in enumerate(near):
        # A box that has been left out suppresses none itself.
        kept[place + 1 :] &= ~(too_near[place + 1 :] & kept[place])
    return order[kept]
