"""The AlexNet of SiamRPN: SiamFC's without groups, and with a normalised last layer (3.75 M parameters)."""

from __future__ import annotations

import torch
from torch import nn

from siam_tracker_core.networks.backbone import Backbone, footprint_of


class WideAlexNet(Backbone):
    """Five convolutions, each over all channels and followed by batch normalisation; no padding; stride 8.

    As foolwood/DaSiamRPN:code/net.py and STVIR/pysot:pysot/models/backbone/alexnet.py have it; the SiamRPN paper only
    says that the groups of conv2 and conv4 are taken out. A 127x127 exemplar gives 6x6 cells, 255x255 22x22, 271x271
    24x24. The pooling precedes the ReLU: the two commute, and this way round the ReLU has a quarter of the work.

    Args:
        width: factor on all widths; 1 in SiamRPN, 2 in the larger network of DaSiamRPN's VOT-2018 entry.
    """

    def __init__(self, width: int = 1) -> None:
        super().__init__()
        first, second, third, fourth, last = (channels * width for channels in (96, 256, 384, 384, 256))
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, first, 11, 2), nn.BatchNorm2d(first), nn.MaxPool2d(3, 2), nn.ReLU(inplace=True)
        )
        self.conv2 = nn.Sequential(
            nn.Conv2d(first, second, 5), nn.BatchNorm2d(second), nn.MaxPool2d(3, 2), nn.ReLU(inplace=True)
        )
        self.conv3 = nn.Sequential(nn.Conv2d(second, third, 3), nn.BatchNorm2d(third), nn.ReLU(inplace=True))
        self.conv4 = nn.Sequential(nn.Conv2d(third, fourth, 3), nn.BatchNorm2d(fourth), nn.ReLU(inplace=True))
        self.conv5 = nn.Sequential(nn.Conv2d(fourth, last, 3), nn.BatchNorm2d(last))
        self._measure(footprint_of(self), last)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features (N, 256 * width, h, w) of RGB images with values in 0..255."""
        return self.conv5(self.conv4(self.conv3(self.conv2(self.conv1(images)))))
