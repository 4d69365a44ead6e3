"""What learns: modules and nothing else. ``backbone(name)`` makes a feature extractor by name."""

from __future__ import annotations

from collections.abc import Callable

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks.alexnet import AlexNet
from siam_tracker_core.networks.backbone import Backbone, Footprint, channels_last, footprint_of, parameter_count
from siam_tracker_core.networks.correlation import Correlation, cross_correlation
from siam_tracker_core.networks.mobilenetv2 import MobileNetV2
from siam_tracker_core.networks.siamfc import SiamFCNetwork

BACKBONES: dict[str, Callable[[], Backbone]] = {"alexnet": AlexNet, "mobilenetv2": MobileNetV2}


def backbone(name: str) -> Backbone:
    """Make a backbone with random weights.

    Raises:
        ConfigError: if there is none of that name.
    """
    if name not in BACKBONES:
        raise ConfigError(f"there is no backbone {name!r}; known are {', '.join(sorted(BACKBONES))}")
    return BACKBONES[name]()


__all__ = [
    "AlexNet",
    "Backbone",
    "Correlation",
    "Footprint",
    "MobileNetV2",
    "SiamFCNetwork",
    "backbone",
    "channels_last",
    "cross_correlation",
    "footprint_of",
    "parameter_count",
]
