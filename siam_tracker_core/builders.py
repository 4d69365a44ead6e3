"""From a weights file to a tracker: one builder for each kind that a file's metadata can name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from siam_tracker_core.config import merged, read_config
from siam_tracker_core.errors import WeightsError
from siam_tracker_core.networks import SiamFCNetwork, backbone
from siam_tracker_core.networks.anchors import RATIOS
from siam_tracker_core.networks.rpn import HEADS, SiamRPNNetwork
from siam_tracker_core.trackers.base import Tracker
from siam_tracker_core.trackers.siamfc import SiamFC, SiamFCConfig, SiamFCModel
from siam_tracker_core.trackers.siamrpn import SiamRPN, SiamRPNConfig, SiamRPNModel
from siam_tracker_core.weights import load_into

ConfigT = TypeVar("ConfigT")


@dataclass(frozen=True)
class Blueprint:
    """What a tracker is built from.

    Attributes:
        state: tensors of the weights file.
        metadata: of the weights file: ``network`` describes the network, ``config`` holds its own settings.
        changes: settings that differ from those.
        device: where to run.
        precision: ``auto``, ``single`` or ``half``.
        name: of the tracker.
        path: of the weights file, for messages.
        origin: where ``changes`` come from, for messages.
    """

    state: Mapping[str, torch.Tensor]
    metadata: Mapping[str, Any]
    changes: Mapping[str, Any]
    device: torch.device
    precision: str
    name: str
    path: str
    origin: str

    @property
    def network(self) -> Mapping[str, Any]:
        """The description of the network."""
        return self.metadata.get("network", {})  # type: ignore[no-any-return]

    def config(self, cls: type[ConfigT]) -> ConfigT:
        """The tracker's settings.

        Raises:
            ConfigError: for a setting that is unknown or impossible.
        """
        return read_config(cls, merged(self.metadata.get("config", {}), self.changes), self.origin)


def build_siamfc(blueprint: Blueprint) -> SiamFC:
    """SiamFC with the backbone that the description names.

    Raises:
        ConfigError, WeightsError: if settings or tensors do not fit.
    """
    description = blueprint.network
    network = SiamFCNetwork(backbone(description.get("backbone", "alexnet")), description.get("gain", 1e-3))
    load_into(network, blueprint.state, blueprint.path)
    model = SiamFCModel(network, blueprint.config(SiamFCConfig), blueprint.device, blueprint.name, blueprint.precision)
    return SiamFC(model)


def build_siamrpn(blueprint: Blueprint) -> SiamRPN:
    """SiamRPN with the backbone and head that the description names.

    Raises:
        ConfigError, WeightsError: if settings or tensors do not fit.
    """
    description = blueprint.network
    features = backbone(description.get("backbone", "alexnet_wide"))
    ratios = tuple(description.get("ratios", RATIOS))
    kind = description.get("head", "depthwise")
    if kind not in HEADS:
        raise WeightsError(f"{blueprint.path} names the head {kind!r}; known are {', '.join(sorted(HEADS))}")
    head = HEADS[kind](features.out_channels, len(ratios), description.get("hidden", 256))
    margins = (description.get("exemplar_margin", 0), description.get("search_margin", 0))
    network = SiamRPNNetwork(features, head, ratios, *margins)
    load_into(network, blueprint.state, blueprint.path)
    model = SiamRPNModel(
        network, blueprint.config(SiamRPNConfig), blueprint.device, blueprint.name, blueprint.precision
    )
    return SiamRPN(model)


BUILDERS: dict[str, Callable[[Blueprint], Tracker]] = {"siamfc": build_siamfc, "siamrpn": build_siamrpn}
