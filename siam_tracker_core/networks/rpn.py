"""The Siamese region proposal network: tracking as one-shot detection (SiamRPN, Li et al., 2018).

The template branch runs once for a target and gives the kernels of the detection head (equation 9); every frame then
costs the detection branch alone. Two heads do this: the paper's, which raises the exemplar's channels to one kernel for
each output, and the depth-wise one that the field has adopted since (SiamRPN++), a sixth of its size.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from siam_tracker_core.networks.anchors import RATIOS, Anchors, decode
from siam_tracker_core.networks.backbone import Backbone
from siam_tracker_core.networks.siamese import SiameseNetwork


class Kernels(NamedTuple):
    """What the template branch makes of N exemplars: the weights of the detection head.

    Attributes:
        classification: (N, channels, h, w).
        regression: (N, channels, h, w).
    """

    classification: torch.Tensor
    regression: torch.Tensor


class Proposals(NamedTuple):
    """What the detection branch says of N search images.

    Attributes:
        logits: (N, 2, k, rows, columns): background and target, for each anchor and cell.
        distances: (N, 4, k, rows, columns): dx, dy, dw, dh of equation 3.
    """

    logits: torch.Tensor
    distances: torch.Tensor

    @property
    def scores(self) -> torch.Tensor:
        """Probability of "target" (N, k, rows, columns)."""
        return self.logits.float().softmax(dim=1)[:, 1]


def depthwise_correlation(search: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """Correlate each channel of each image with its own kernel.

    Args:
        search: (N, C, H, W).
        kernels: (N, C, h, w).

    Returns:
        (N, C, H - h + 1, W - w + 1).
    """
    count, channels = kernels.shape[:2]
    stacked = search.reshape(1, count * channels, *search.shape[2:])
    weights = kernels.reshape(count * channels, 1, *kernels.shape[2:])
    response = functional.conv2d(stacked, weights, groups=count * channels)
    return response.reshape(count, channels, *response.shape[2:])


def group_correlation(search: torch.Tensor, kernels: torch.Tensor, outputs: int) -> torch.Tensor:
    """Correlate each image with ``outputs`` kernels of its own, each over all channels (equation 2).

    Args:
        search: (N, C, H, W).
        kernels: (N, outputs * C, h, w).

    Returns:
        (N, outputs, H - h + 1, W - w + 1).
    """
    count, channels = search.shape[:2]
    stacked = search.reshape(1, count * channels, *search.shape[2:])
    weights = kernels.reshape(count * outputs, channels, *kernels.shape[2:])
    response = functional.conv2d(stacked, weights, groups=count)
    return response.reshape(count, outputs, *response.shape[2:])


class ProposalHead(nn.Module):
    """From exemplar features to kernels, and from search features and kernels to proposals."""

    anchors: int

    @abstractmethod
    def kernels(self, exemplars: torch.Tensor) -> Kernels:
        """The kernels for exemplar features (N, C, h, w)."""

    @abstractmethod
    def forward(self, searches: torch.Tensor, kernels: Kernels) -> Proposals:
        """Proposals for search features (N, C, H, W), each with its own kernels."""

    def _split(self, classification: torch.Tensor, regression: torch.Tensor) -> Proposals:
        count, _, rows, columns = classification.shape
        return Proposals(
            classification.view(count, 2, self.anchors, rows, columns),
            regression.view(count, 4, self.anchors, rows, columns),
        )


class UpChannelHead(ProposalHead):
    """The paper's head: 2k and 4k kernels over all channels (section 3.2).

    Args:
        channels: of the features.
        anchors: k.
        hidden: channels of a kernel.
    """

    def __init__(self, channels: int, anchors: int = len(RATIOS), hidden: int = 256) -> None:
        super().__init__()
        self.anchors, self.hidden = anchors, hidden
        self.template_cls = nn.Conv2d(channels, hidden * 2 * anchors, 3)
        self.template_reg = nn.Conv2d(channels, hidden * 4 * anchors, 3)
        self.search_cls = nn.Conv2d(channels, hidden, 3)
        self.search_reg = nn.Conv2d(channels, hidden, 3)
        # Not in the paper, but in its published networks (reference values, section 2).
        self.adjust_reg = nn.Conv2d(4 * anchors, 4 * anchors, 1)

    def kernels(self, exemplars: torch.Tensor) -> Kernels:
        return Kernels(self.template_cls(exemplars), self.template_reg(exemplars))

    def forward(self, searches: torch.Tensor, kernels: Kernels) -> Proposals:
        classification = group_correlation(self.search_cls(searches), kernels.classification, 2 * self.anchors)
        regression = group_correlation(self.search_reg(searches), kernels.regression, 4 * self.anchors)
        return self._split(classification, self.adjust_reg(regression))


def _adjust(channels: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, hidden, 3, bias=False), nn.BatchNorm2d(hidden), nn.ReLU(inplace=True))


class DepthwiseBranch(nn.Module):
    """One branch of the depth-wise head: correlate channel by channel, then mix the channels.

    Args:
        channels: of the features.
        hidden: of the correlation.
        outputs: of the branch.
    """

    def __init__(self, channels: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.conv_kernel = _adjust(channels, hidden)
        self.conv_search = _adjust(channels, hidden)
        self.head = nn.Sequential(
            nn.Conv2d(hidden, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, outputs, 1),
        )

    def forward(self, searches: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
        return self.head(depthwise_correlation(self.conv_search(searches), kernels))


class DepthwiseHead(ProposalHead):
    """The depth-wise head of PySOT's ``siamrpn_alex_dwxcorr`` (2.50 M parameters with 256 channels).

    Args:
        channels: of the features.
        anchors: k.
        hidden: channels of the correlation.
    """

    def __init__(self, channels: int, anchors: int = len(RATIOS), hidden: int = 256) -> None:
        super().__init__()
        self.anchors = anchors
        self.cls = DepthwiseBranch(channels, hidden, 2 * anchors)
        self.loc = DepthwiseBranch(channels, hidden, 4 * anchors)

    def kernels(self, exemplars: torch.Tensor) -> Kernels:
        return Kernels(self.cls.conv_kernel(exemplars), self.loc.conv_kernel(exemplars))

    def forward(self, searches: torch.Tensor, kernels: Kernels) -> Proposals:
        return self._split(self.cls(searches, kernels.classification), self.loc(searches, kernels.regression))


HEADS: dict[str, type[UpChannelHead] | type[DepthwiseHead]] = {
    "up_channel": UpChannelHead,
    "depthwise": DepthwiseHead,
}


def _inner(features: torch.Tensor, margin: int) -> torch.Tensor:
    return features[..., margin:-margin, margin:-margin] if margin else features


class SiamRPNNetwork(SiameseNetwork):
    """Backbone, proposal head and anchors.

    Args:
        backbone: shared by both branches.
        head: of the proposals.
        ratios: of the anchors, as many as the head has.
        exemplar_margin, search_margin: cells left out at each border of the features, for backbones with padding, which
            tells the network where in the crop a cell lies (SiamDW section 3). Of a backbone that sees more than the
            exemplar they are those that padding changes most, and not all that see it.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: ProposalHead,
        ratios: tuple[float, ...] = RATIOS,
        exemplar_margin: int = 0,
        search_margin: int = 0,
    ) -> None:
        super().__init__()
        if head.anchors != len(ratios):
            raise ValueError(f"the head has {head.anchors} anchors, but {len(ratios)} ratios are given")
        self.backbone, self.head = backbone, head
        self.anchors = Anchors(ratios, backbone.stride)
        self.exemplar_margin, self.search_margin = exemplar_margin, search_margin

    def template(self, exemplars: torch.Tensor) -> Kernels:
        """The template branch: kernels of exemplar images (N, 3, 127, 127) with values in 0..255."""
        return self.kernels(self.backbone(exemplars))

    def kernels(self, features: torch.Tensor) -> Kernels:
        """Kernels of the backbone's features of exemplar images."""
        return self.head.kernels(_inner(features, self.exemplar_margin))

    def trimmed(self, features: torch.Tensor) -> torch.Tensor:
        return _inner(features, self.search_margin)

    def detect(self, searches: torch.Tensor, kernels: Kernels) -> Proposals:
        """The detection branch: proposals in search images (N, 3, S, S) with values in 0..255."""
        return self.head(self.embed(searches), kernels)  # type: ignore[no-any-return]

    def search(self, template: tuple[torch.Tensor, ...], searches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As ``compare``, of search images."""
        return self._boxes(self.detect(searches, self._each(template, len(searches))))

    def compare(self, template: tuple[torch.Tensor, ...], features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The boxes of all cells of N * M search images, M images in a row for every one of N templates.

        Returns:
            Scores (N * M, k, rows, columns), the probability of "target", and boxes (N * M, k, rows, columns, 4):
            centre from the crop's middle, width and height in pixels of the crop. A distance that is no finite number,
            as half precision may give, counts as none from the anchor.
        """
        return self._boxes(self.head(features, self._each(template, len(features))))

    def _each(self, template: tuple[torch.Tensor, ...], count: int) -> Kernels:
        """The kernels of every one of ``count`` images."""
        each = count // len(template[0])
        return Kernels(*(part if each == 1 else part.repeat_interleave(each, dim=0) for part in template))

    def _boxes(self, proposals: Proposals) -> tuple[torch.Tensor, torch.Tensor]:
        distances = proposals.distances.float().nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        anchors = self.anchors.grid(distances.shape[-1])
        return proposals.scores, decode(distances.permute(0, 2, 3, 4, 1), anchors)

    def forward(self, exemplars: torch.Tensor, searches: torch.Tensor) -> Proposals:
        """Both branches, as in training."""
        return self.detect(searches, self.template(exemplars))
