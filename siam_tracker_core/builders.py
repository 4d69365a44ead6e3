"""From a weights file to a tracker: one builder for each kind that a file's metadata can name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch

from siam_tracker_core.config import merged, read_config, with_new_names
from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.networks import SiamFCNetwork, described_backbone
from siam_tracker_core.networks.anchors import RATIOS
from siam_tracker_core.networks.dsiam import network_of
from siam_tracker_core.networks.mdnet import CONTEXT, MDNet, without_domains
from siam_tracker_core.networks.rpn import HEADS, SiamRPNNetwork
from siam_tracker_core.networks.siamban import anchor_free
from siam_tracker_core.networks.srt import SRTLayers, SRTNetwork
from siam_tracker_core.trackers.cascade import HALVES, CascadeConfig, CascadeModel
from siam_tracker_core.trackers.dsiam import DSiamConfig, DSiamModel
from siam_tracker_core.trackers.mdnet import MDNetConfig, MDNetModel
from siam_tracker_core.trackers.siamban import SiamBANConfig
from siam_tracker_core.trackers.siamfc import SiamFCConfig, SiamFCModel
from siam_tracker_core.trackers.siamrpn import SiamRPNConfig, SiamRPNModel
from siam_tracker_core.trackers.srt import SRTConfig, SRTModel
from siam_tracker_core.trackers.tracker import Tracker
from siam_tracker_core.weights import below, load_into

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
        description = self.metadata.get("network", {})
        if not isinstance(description, Mapping):
            raise WeightsError(f"{self.path} describes its network by {description!r}, expected a mapping")
        return description

    def config(self, cls: type[ConfigT]) -> ConfigT:
        """The tracker's settings.

        Raises:
            ConfigError: for a setting that is unknown or impossible.
        """
        return read_config(cls, self.departures(cls), self.origin)

    def departures(self, cls: type[ConfigT]) -> dict[str, Any]:
        """The settings that are stored with the weights and those that replace them, under their present names.

        Raises:
            WeightsError: for stored settings that this version cannot use.
        """
        stored = self.metadata.get("config", {})
        if not isinstance(stored, Mapping):
            raise WeightsError(f"{self.path} stores a {type(stored).__name__} as its settings, expected a mapping")
        stored = with_new_names(cls, stored)
        try:
            read_config(cls, stored, f"{self.path} stores settings that this version cannot use")
        except ConfigError as error:
            raise WeightsError(str(error)) from None
        return merged(stored, self.changes)


def build_siamfc(blueprint: Blueprint) -> Tracker:
    """SiamFC with the backbone that the description names.

    Raises:
        ConfigError, WeightsError: if settings or tensors do not fit.
    """
    network = _siamfc_network(blueprint)
    model = SiamFCModel.from_network(
        network, blueprint.config(SiamFCConfig), blueprint.device, blueprint.name, blueprint.precision
    )
    return Tracker(model)


def _siamfc_network(blueprint: Blueprint) -> SiamFCNetwork:
    description = blueprint.network
    network = SiamFCNetwork(
        described_backbone(description, "alexnet", blueprint.path), float(description.get("gain", 1e-3))
    )
    load_into(network, blueprint.state, blueprint.path)
    return network


def build_siamrpn(blueprint: Blueprint) -> Tracker:
    """SiamRPN with the backbone and head that the description names.

    Raises:
        ConfigError, WeightsError: if settings or tensors do not fit.
    """
    description = blueprint.network
    features = described_backbone(description, "alexnet_wide", blueprint.path)
    ratios = tuple(description.get("ratios", RATIOS))
    kind = description.get("head", "depthwise")
    if kind not in HEADS:
        raise WeightsError(f"{blueprint.path} names the head {kind!r}; known are {', '.join(sorted(HEADS))}")
    head = HEADS[kind](features.out_channels, len(ratios), description.get("hidden", 256))
    margins = (description.get("exemplar_margin", 0), description.get("search_margin", 0))
    network = SiamRPNNetwork(features, head, ratios, *margins)
    load_into(network, blueprint.state, blueprint.path)
    model = SiamRPNModel.from_network(
        network, blueprint.config(SiamRPNConfig), blueprint.device, blueprint.name, blueprint.precision
    )
    return Tracker(model)


def build_siamban(blueprint: Blueprint) -> Tracker:
    """The anchor-free tracker with the backbone and head that the description names.

    Raises:
        ConfigError, WeightsError: if settings or tensors do not fit.
    """
    description = blueprint.network
    network = anchor_free(described_backbone(description, "mobilenetv2_stride16", blueprint.path), description)
    load_into(network, blueprint.state, blueprint.path)
    model = SiamRPNModel.from_network(
        network, blueprint.config(SiamBANConfig), blueprint.device, blueprint.name, blueprint.precision
    )
    return Tracker(model)


def build_dsiam(blueprint: Blueprint) -> Tracker:
    """DSiam, or DSiamM, with the backbone and layers that the description names.

    Raises:
        ConfigError, WeightsError: if settings or tensors do not fit.
    """
    description = blueprint.network
    network = network_of(described_backbone(description, "alexnet", blueprint.path), description)
    load_into(network, blueprint.state, blueprint.path)
    model = DSiamModel(network, blueprint.config(DSiamConfig), blueprint.device, blueprint.name, blueprint.precision)
    return Tracker(model)


def build_mdnet(blueprint: Blueprint) -> Tracker:
    """MDNet; the last layers of the videos that it was trained on are left out.

    Raises:
        ConfigError, WeightsError: if settings or tensors do not fit.
    """
    network = _mdnet_network(blueprint)
    model = MDNetModel(network, blueprint.config(MDNetConfig), blueprint.device, blueprint.name, blueprint.precision)
    return Tracker(model)


def _mdnet_network(blueprint: Blueprint) -> MDNet:
    context = blueprint.network.get("context", CONTEXT)
    if not isinstance(context, (int, float)) or not 1 <= context < 10:
        raise WeightsError(f"{blueprint.path} says that crops are {context!r} times the box; expected 1 to 10")
    own = "backbone" in blueprint.network
    features = described_backbone(blueprint.network, "vgg_m", blueprint.path) if own else None
    network = MDNet(0, context, features)
    load_into(network, without_domains(blueprint.state), blueprint.path)
    return network


def build_srt(blueprint: Blueprint) -> Tracker:
    """SRT with the layers that the description tells.

    Raises:
        ConfigError, WeightsError: if settings or tensors do not fit.
    """
    network = SRTNetwork(read_config(SRTLayers, blueprint.network, blueprint.path))
    load_into(network, blueprint.state, blueprint.path)
    return Tracker(
        SRTModel(network, blueprint.config(SRTConfig), blueprint.device, blueprint.name, blueprint.precision)
    )


def build_cascade(blueprint: Blueprint) -> Tracker:
    """The cascade; or SiamFC or MDNet on one half of its weights, where the settings name that half.

    Raises:
        ConfigError, WeightsError: if settings or tensors do not fit.
    """
    config = blueprint.config(CascadeConfig)
    matching, classification = (_half(blueprint, name) for name in HALVES)
    network, judge = _siamfc_network(matching), _mdnet_network(classification)
    rest = (blueprint.device, blueprint.name, blueprint.precision)
    if config.parts == "matching":
        return Tracker(SiamFCModel.from_network(network, config.matching, *rest))
    if config.parts == "classification":
        return Tracker(MDNetModel(judge, config.classification, *rest))
    return Tracker(CascadeModel.from_networks(network, judge, config, *rest))


def _half(blueprint: Blueprint, name: str) -> Blueprint:
    """What one network of several is built from, whose tensors' names begin with its own."""
    state = below(blueprint.state, f"{name}.")
    path = f"the {name} half of {blueprint.path}"
    return replace(blueprint, path=path, state=state, metadata={"network": blueprint.network.get(name, {})})


# The settings of each kind of tracker.
CONFIGS: dict[str, type] = {
    "cascade": CascadeConfig,
    "dsiam": DSiamConfig,
    "mdnet": MDNetConfig,
    "siamfc": SiamFCConfig,
    "siamban": SiamBANConfig,
    "siamrpn": SiamRPNConfig,
    "srt": SRTConfig,
}

BUILDERS: dict[str, Callable[[Blueprint], Tracker]] = {
    "cascade": build_cascade,
    "dsiam": build_dsiam,
    "mdnet": build_mdnet,
    "siamfc": build_siamfc,
    "siamban": build_siamban,
    "siamrpn": build_siamrpn,
    "srt": build_srt,
}

# Trackers whose network runs in any runtime: model and settings for each kind.
ON_BACKENDS: dict[str, tuple[type[SiamFCModel] | type[SiamRPNModel], type[SiamFCConfig] | type[SiamRPNConfig]]] = {
    "siamban": (SiamRPNModel, SiamBANConfig),
    "siamfc": (SiamFCModel, SiamFCConfig),
    "siamrpn": (SiamRPNModel, SiamRPNConfig),
}

# Why the others run in PyTorch only.
ONLY_PYTORCH = {
    "cascade": "its second network learns in PyTorch while it tracks",
    "dsiam": "it solves for its transformations in PyTorch in every frame",
    "mdnet": "its last layers learn in PyTorch while it tracks",
    "srt": "its recurrent layers read the features of candidates that PyTorch chooses in every frame",
}
