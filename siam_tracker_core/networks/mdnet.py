"""MDNet: a classifier of target and background for crops (Nam and Han, 2016), over the convolutions of VGG-M."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from siam_tracker_core.networks.backbone import Backbone, footprint_of
from siam_tracker_core.networks.normalise import MINUS_128, Normalise

CROP_SIZE = 107
MARGIN = 16  # pixels of a crop around the box that it is about, on each side
# Side of a crop relative to that of its box: MATLAB's rule leaves the box 75 pixels, py-MDNet's leaves it 82.4
# (HyeonseobNam/py-MDNet:modules/utils.py adds 2 * 16 / 107 of the box).
CONTEXT = CROP_SIZE / (CROP_SIZE - 2 * MARGIN)
PY_MDNET_CONTEXT = 1 + 2 * MARGIN / CROP_SIZE
CELLS = 3  # side of the features of a crop: 107 -> 51 -> 25 -> 11 -> 5 -> 3
HIDDEN = 512
FEATURES = 512 * CELLS * CELLS


# Local response normalisation with PyTorch's defaults over two channels: x / (1 + _ALPHA * (squares of both)) ** 0.75.
_ALPHA = 1e-4 / 2

# Images that are normalised at once: what is between input and output stays in a CPU's cache.
_TOGETHER = 2


class _PairNorm(torch.autograd.Function):
    """The normalisation with its gradient written out, which keeps nothing but the input."""

    @staticmethod
    def forward(ctx: Any, features: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(features)
        result = torch.empty_like(features)
        for part, out in zip(features.split(_TOGETHER), result.split(_TOGETHER), strict=True):
            root = _inverse_root(part)
            torch.mul(part, root.mul_(root.sqrt()), out=out)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        (features,) = ctx.saved_tensors
        result = torch.empty_like(features)
        parts = (tensor.split(_TOGETHER) for tensor in (features, gradient, result))
        for part, above, out in zip(*parts, strict=True):
            root = _inverse_root(part)
            factor = root * root.sqrt()
            through = above * factor
            # What each output owes to the squares under it, its own channel's and those of the channel before.
            owed = through * part * root * root
            both = owed.clone()
            both[:, :-1] += owed[:, 1:]
            torch.sub(through, both.mul_(part), alpha=1.5 * _ALPHA, out=out)
        return result


def _inverse_root(features: torch.Tensor) -> torch.Tensor:
    """The inverse square root of one plus the sum of squares of each channel and the one before it."""
    squares = features.square()
    sums = squares.clone()
    sums[:, 1:] += squares[:, :-1]
    return sums.mul_(_ALPHA).add_(1).rsqrt_()


class PairNorm(nn.Module):
    """Local response normalisation over each channel and the one before it, with PyTorch's defaults.

    The same as ``nn.LocalResponseNorm(2)``, which goes through a three-dimensional pooling and a power: on a CPU that
    takes longer than the convolutions.
    """

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return _PairNorm.apply(features)  # type: ignore[no-any-return,no-untyped-call]


def _stage(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, 2), nn.ReLU(inplace=True), PairNorm(), nn.MaxPool2d(3, 2))


def _linear(inputs: int, outputs: int, bias: float, generator: torch.Generator | None = None) -> nn.Linear:
    """A layer with the published implementation's first values."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, 0, 0.01, generator=generator)
    nn.init.constant_(layer.bias, bias)
    return layer


class VGGM(Backbone):
    """conv1 to conv3 of VGG-M without padding (HyeonseobNam/py-MDNet:modules/model.py).

    The response normalisation is over two channels with PyTorch's defaults, as there.

    Args:
        rectified: whether a ReLU ends it. Without one, its features can take any direction, as distillation asks.
    """

    def __init__(self, rectified: bool = True) -> None:
        super().__init__()
        self.normalise = Normalise(MINUS_128)
        self.conv1 = _stage(3, 96, 7)
        self.conv2 = _stage(96, 256, 5)
        self.conv3 = nn.Sequential(nn.Conv2d(256, 512, 3))
        if rectified:
            self.conv3.append(nn.ReLU(inplace=True))
        self._measure(footprint_of(self), 512)

    def units(self) -> list[nn.Module]:
        """The convolutions."""
        return [self.conv1, self.conv2, self.conv3]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features (N, 512, h, w) of RGB images with values in 0..255; 3x3 of a 107x107 crop."""
        return self.conv3(self.conv2(self.conv1(self.normalise(images))))


def _features_of(backbone: Backbone) -> int:
    """Numbers that a backbone makes of a crop."""
    was = backbone.training
    with torch.inference_mode():
        features = backbone.eval()(torch.zeros(1, 3, CROP_SIZE, CROP_SIZE))
    backbone.train(was)
    return features.numel()


class MDNet(nn.Module):
    """Shared layers up to fc5, and one fc6 of two classes for each domain (section 3 of the paper; 4.43 M with one).

    Args:
        domains: how many fc6 there are; a training video each. 0 leaves them to ``add_domain``, which a tracker calls
            for its target (section 4).
        context: side of a crop relative to that of its box, which the layers learned from; at least 1.
        backbone: the convolutions; VGG-M's by default.

    Attributes:
        width: numbers in the features of a crop.
    """

    def __init__(self, domains: int = 1, context: float = CONTEXT, backbone: Backbone | None = None) -> None:
        super().__init__()
        self.context = context
        self.backbone = VGGM() if backbone is None else backbone
        self.width = FEATURES if backbone is None else _features_of(backbone)
        self.fc4 = nn.Sequential(_linear(self.width, HIDDEN, 0.1), nn.ReLU(inplace=True))
        self.fc5 = nn.Sequential(nn.Dropout(0.5), _linear(HIDDEN, HIDDEN, 0.1), nn.ReLU(inplace=True))
        self.fc6 = nn.ModuleList()
        for _ in range(domains):
            self.add_domain()

    def add_domain(self, generator: torch.Generator | None = None) -> int:
        """Add a new fc6 with random weights, on the device of the others; returns the domain's index.

        Args:
            generator: of the weights, on the CPU.
        """
        branch = nn.Sequential(nn.Dropout(0.5), _linear(HIDDEN, 2, 0.0, generator))
        self.fc6.append(branch.to(next(self.fc4.parameters())))
        return len(self.fc6) - 1

    def features(self, crops: torch.Tensor) -> torch.Tensor:
        """Features (N, width), by channel, row and column, of RGB crops (N, 3, 107, 107) in 0..255."""
        return self.backbone(crops).flatten(1)

    def classify(self, features: torch.Tensor, domain: int = 0) -> torch.Tensor:
        """Logits (N, 2) of background and target for features (N, width), 4608 of VGG-M."""
        return self.fc6[domain](self.fc5(self.fc4(features)))

    def forward(self, crops: torch.Tensor, domain: int = 0) -> torch.Tensor:
        """Logits (N, 2) of background and target for RGB crops (N, 3, 107, 107) in 0..255."""
        return self.classify(self.features(crops), domain)


def without_domains(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict without the last layers of training's domains, which a tracker has no use for."""
    return {name: tensor for name, tensor in state.items() if not name.startswith("fc6.")}
