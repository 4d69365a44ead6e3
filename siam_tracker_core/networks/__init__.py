"""What learns: modules and nothing else. ``backbone(name)`` makes a feature extractor by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.networks.ablation import VGG10, AlexNetVariant, BasicResNet, Inception
from siam_tracker_core.networks.alexnet import AlexNet
from siam_tracker_core.networks.alexnet_owt import AlexNetOWT
from siam_tracker_core.networks.alexnet_wide import WideAlexNet
from siam_tracker_core.networks.backbone import Backbone, Footprint, channels_last, footprint_of, parameter_count
from siam_tracker_core.networks.ciresnet import DESCRIPTIONS, CIResNet
from siam_tracker_core.networks.correlation import Correlation, cross_correlation
from siam_tracker_core.networks.mdnet import VGGM, MDNet
from siam_tracker_core.networks.mobilenetv2 import MobileNetV2
from siam_tracker_core.networks.normalise import CAFFE
from siam_tracker_core.networks.resnet import ResNet50
from siam_tracker_core.networks.siamfc import SiamFCNetwork
from siam_tracker_core.networks.vgg import VGG

BACKBONES: dict[str, Callable[..., Backbone]] = {
    "alexnet": AlexNet,
    "alexnet_owt": AlexNetOWT,
    "alexnet_wide": WideAlexNet,
    "alexnet_variant": AlexNetVariant,
    "alexnet_wide_2x": partial(WideAlexNet, width=2),
    "inception16": partial(Inception, modules=7, small=4, pool_after=0),
    "inception22": Inception,
    "mobilenetv2": MobileNetV2,
    "mobilenetv2_stride16": partial(MobileNetV2, last_block=13, max_stride=16),
    "resnet17": partial(BasicResNet, blocks=(2, 2, 2, 2), halving=(2,)),
    "resnet33": BasicResNet,
    "resnet50": ResNet50,
    "vgg10": VGG10,
    "vgg16": VGG,
    "vgg16_caffe": partial(VGG, convention=CAFFE),
    "vgg19": partial(VGG, depth=19),
    "vgg_m": VGGM,
    **{name: partial(CIResNet, description) for name, description in DESCRIPTIONS.items()},
    "ciresnet20": partial(CIResNet, DESCRIPTIONS["ciresnet19"]),
}


def backbone(name: str, **options: Any) -> Backbone:
    """Make a backbone with random weights.

    Args:
        name: one of ``BACKBONES``.
        options: of its class, such as ``crop`` and ``last_kernel`` of ``CIResNet``.

    Raises:
        ConfigError: if there is none of that name, or it has no such option.
    """
    if name not in BACKBONES:
        raise ConfigError(f"there is no backbone {name!r}; known are {', '.join(sorted(BACKBONES))}")
    try:
        inspect.signature(BACKBONES[name]).bind(**options)
    except TypeError as error:
        raise ConfigError(f"backbone {name!r}: {error}") from None
    return BACKBONES[name](**options)


def described_backbone(description: Mapping[str, Any], usual: str, origin: str) -> Backbone:
    """The backbone that a weights file describes: ``backbone`` names it, ``backbone_options`` are its options.

    Args:
        description: of the network, from the metadata.
        usual: the backbone of files that name none.
        origin: of the description, for messages.

    Raises:
        WeightsError: if the options are no mapping.
        ConfigError: if there is no such backbone.
    """
    options = description.get("backbone_options", {})
    if not isinstance(options, Mapping):
        raise WeightsError(f"{origin} has {options!r} as its backbone's options, expected a mapping")
    return backbone(description.get("backbone", usual), **options)


__all__ = [
    "VGG",
    "VGGM",
    "AlexNet",
    "AlexNetOWT",
    "Backbone",
    "CIResNet",
    "Correlation",
    "Footprint",
    "MDNet",
    "MobileNetV2",
    "ResNet50",
    "SiamFCNetwork",
    "WideAlexNet",
    "backbone",
    "channels_last",
    "cross_correlation",
    "described_backbone",
    "footprint_of",
    "parameter_count",
]
