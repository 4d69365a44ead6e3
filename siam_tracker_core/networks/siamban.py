"""An anchor-free Siamese network: every cell of the response says where the four sides of the target's box are.

The outputs are those of SiamBAN (Chen et al., 2020, section 3.2): a score and four distances for each cell, and no
anchors whose shapes somebody has to choose. The correlation is pixel-wise, as in Alpha-Refine (Yan et al., 2021,
section 3.2) and LightTrack (Yan et al., 2021): each of the exemplar's cells is a kernel of one pixel, so that the
response knows which part of the target is where. The search features go into the head beside it, because the extent of
a box is seen in the image and not in the similarity.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from siam_tracker_core.networks.anchors import cell_centres
from siam_tracker_core.networks.backbone import Backbone
from siam_tracker_core.networks.rpn import Proposals
from siam_tracker_core.networks.siamese import SiameseNetwork

# Largest and least logarithm of a distance in strides: e^3 strides of 16 pixels reach beyond any search crop.
_LOG_REACH = (-4.0, 3.0)


class PixelKernels(NamedTuple):
    """What the template branch makes of N exemplars.

    Attributes:
        cells: (N, h * w, C), one kernel for each of the exemplar's cells, row by row.
    """

    cells: torch.Tensor


class Separable(nn.Sequential):
    """A depth-wise convolution and one across channels, each with batch normalisation (MobileNet).

    Args:
        channels: in and out.
        kernel: side of the depth-wise convolution in cells.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__(
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )


class PixelwiseHead(nn.Module):
    """Pixel-wise correlation and two towers, one for scores and one for distances.

    Args:
        channels: of the features.
        cells: of the exemplar's features, h * w.
        hidden: channels of the towers.
        depth: separable convolutions in each tower.
        kernel: side of their depth-wise convolutions in cells.
        stride: of the features in search pixels.
    """

    def __init__(
        self, channels: int, cells: int = 64, hidden: int = 128, depth: int = 3, kernel: int = 5, stride: int = 16
    ) -> None:
        super().__init__()
        self.stride = stride
        self.embed_template = nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels))
        self.embed_search = nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels))
        self.norm = nn.BatchNorm2d(cells)
        self.fuse = nn.Sequential(
            nn.Conv2d(cells + channels, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU(inplace=True)
        )
        self.cls = nn.Sequential(*(Separable(hidden, kernel) for _ in range(depth)), nn.Conv2d(hidden, 1, 1))
        self.loc = nn.Sequential(*(Separable(hidden, kernel) for _ in range(depth)), nn.Conv2d(hidden, 4, 1))

    def kernels(self, exemplars: torch.Tensor) -> PixelKernels:
        """The kernels for exemplar features (N, C, h, w)."""
        embedded = self.embed_template(exemplars)
        # The division keeps the variance of a product of C numbers that of one.
        return PixelKernels(embedded.flatten(2).transpose(1, 2) / embedded.shape[1] ** 0.5)

    def forward(self, searches: torch.Tensor, kernels: PixelKernels) -> Proposals:
        """Scores and distances for search features (N, C, H, W), each with its own kernels.

        Returns:
            ``logits`` (N, 2, 1, H, W), of which the background's are 0; ``distances`` (N, 4, 1, H, W): left, top, right
            and bottom side from the cell's point, in search pixels.
        """
        embedded = self.embed_search(searches)
        response = torch.bmm(kernels.cells, embedded.flatten(2)).unflatten(2, embedded.shape[2:])
        fused = self.fuse(torch.cat((self.norm(response), embedded), dim=1))
        target = self.cls(fused)[:, None]
        # In single precision: half precision overflows in the exponential.
        distances = self.loc(fused).float().clamp(*_LOG_REACH).exp() * self.stride
        return Proposals(torch.cat((torch.zeros_like(target), target), dim=1), distances[:, :, None])


class SiamBANNetwork(SiameseNetwork):
    """Backbone and anchor-free head.

    Cell j of a padded backbone is centred on pixel ``stride * j``, so the first row and column of a crop of
    ``n * stride - 1`` pixels lie at its very border and the others symmetrically about its middle: they are left out.

    Args:
        backbone: shared by both branches.
        head: of the proposals.
    """

    def __init__(self, backbone: Backbone, head: PixelwiseHead) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        self._points: dict[tuple[int, torch.device], torch.Tensor] = {}

    def template(self, exemplars: torch.Tensor) -> PixelKernels:
        """The template branch: kernels of exemplar images (N, 3, 127, 127) with values in 0..255."""
        return self.head.kernels(self.backbone(exemplars))

    def detect(self, searches: torch.Tensor, kernels: PixelKernels) -> Proposals:
        """The detection branch: proposals in search images (N, 3, S, S) with values in 0..255."""
        return self._proposals(self.embed(searches), kernels)

    def _proposals(self, features: torch.Tensor, kernels: PixelKernels) -> Proposals:
        return Proposals(*(part[..., 1:, 1:] for part in self.head(features, kernels)))

    def beside_map(self, features: torch.Tensor, size: int) -> torch.Tensor:
        return features[..., 1:, 1:]

    def compare(self, template: tuple[torch.Tensor, ...], features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The boxes of all cells of N * M search images, M images in a row for every one of N templates.

        Returns:
            Scores (N * M, 1, rows, columns), the probability of "target", and boxes as in ``boxes``.
        """
        each = len(features) // len(template[0])
        cells = template[0] if each == 1 else template[0].repeat_interleave(each, dim=0)
        proposals = self._proposals(features, PixelKernels(cells))
        return proposals.scores, self.boxes(proposals.distances)

    def forward(self, exemplars: torch.Tensor, searches: torch.Tensor) -> Proposals:
        """Both branches, as in training."""
        return self.detect(searches, self.template(exemplars))

    def points(self, size: int, device: torch.device) -> torch.Tensor:
        """float32 (size, size, 2): x and y of the cells in search pixels from the crop's middle."""
        key = (size, device)
        if key not in self._points:
            self._points[key] = cell_centres(size, size, self.backbone.stride, device)
        return self._points[key]

    def boxes(self, distances: torch.Tensor) -> torch.Tensor:
        """Boxes from distances (SiamBAN, equation 4, solved for the box).

        Args:
            distances: (N, 4, 1, size, size), of ``Proposals``.

        Returns:
            float32 (N, 1, size, size, 4): centre from the crop's middle, width, height, in search pixels.
        """
        left, top, right, bottom = distances.float().unbind(dim=1)
        points = self.points(distances.shape[-1], distances.device)
        centre_x, centre_y = points[..., 0] + (right - left) / 2, points[..., 1] + (bottom - top) / 2
        return torch.stack((centre_x, centre_y, left + right, top + bottom), dim=-1)


def anchor_free(features: Backbone, description: Mapping[str, Any], exemplar_size: int = 127) -> SiamBANNetwork:
    """A network with random weights.

    Args:
        features: the backbone.
        description: ``hidden``, ``depth`` and ``kernel`` of the head; what is left out has its default.
        exemplar_size: side of exemplar images in pixels, which settles how many cells the head correlates.
    """
    cells = (-(-exemplar_size // features.stride)) ** 2
    options = {name: description[name] for name in ("hidden", "depth", "kernel") if name in description}
    return SiamBANNetwork(features, PixelwiseHead(features.out_channels, cells, stride=features.stride, **options))
