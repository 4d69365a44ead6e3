"""From a weights file, or a folder with an exported tracker, to a tracker in the runtime that is wanted."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from siam_tracker_core.builders import BUILDERS, ON_BACKENDS, ONLY_PYTORCH, Blueprint
from siam_tracker_core.config import merged, read_config
from siam_tracker_core.errors import ConfigError, ExportError
from siam_tracker_core.runtimes.backend import Backend
from siam_tracker_core.runtimes.checking import CropSizes
from siam_tracker_core.runtimes.choosing import Wish, choose, graph_backend, installed, open_exported
from siam_tracker_core.runtimes.export import Subject
from siam_tracker_core.runtimes.libraries import ONNX
from siam_tracker_core.runtimes.torch_backend import TorchBackend
from siam_tracker_core.trackers.siamfc import SiamFCConfig
from siam_tracker_core.trackers.siamrpn import SiamRPNConfig
from siam_tracker_core.trackers.siamrpn.model import CPU_BATCH
from siam_tracker_core.trackers.tracker import Tracker
from siam_tracker_core.weights import sha256

_log = logging.getLogger(__name__)


def build(blueprint: Blueprint, wish: Wish) -> Tracker:
    """Build a tracker of a weights file.

    Args:
        blueprint: of the tracker.
        wish: where its network is to run.

    Raises:
        ConfigError: if the tracker does not run in that runtime, or for settings that do not fit.
        WeightsError, ExportError, RuntimeMissingError: if the weights or the runtime are not as they should be.
    """
    wish.check()
    kind = str(blueprint.metadata.get("tracker"))
    if kind not in ON_BACKENDS:
        if wish.runtime not in ("auto", "torch"):
            raise ConfigError(
                f"{blueprint.name} runs with runtime torch only, because {why_not(kind)}; {wish.runtime} is for "
                f"{', '.join(sorted(ON_BACKENDS))}"
            )
        return BUILDERS[kind](blueprint)
    names = installed(wish.device) if wish.runtime == "auto" and ONNX.installed else [wish.runtime]
    if names in ([], ["auto"], ["torch"]):
        return BUILDERS[kind](blueprint)
    model, settings = ON_BACKENDS[kind]
    config = blueprint.config(settings)
    sizes = crop_sizes(config)
    wish = replace(wish, together=sizes.count if sizes.count > 1 else CPU_BATCH)
    key = {"weights": sha256(blueprint.path), "exemplar": sizes.exemplar, "searches": sizes.searches}
    if config.online.features is not None:  # the graphs give features as well
        key["features"] = config.online.features

    def on_graphs(name: str) -> Backend:
        return graph_backend(name, key, lambda: subject_of(blueprint), wish)

    if wish.runtime != "auto":
        return Tracker(model(on_graphs(wish.runtime), config, blueprint.name))  # type: ignore[arg-type]
    candidates = {name: (lambda name=name: on_graphs(name)) for name in names}
    backend = choose({**candidates, "torch": lambda: _torch_backend(blueprint)}, sizes, key, wish)
    return Tracker(model(backend, config, blueprint.name))  # type: ignore[arg-type]


def load_exported(folder: Path, changes: dict[str, Any], wish: Wish) -> Tracker:
    """Load a tracker that ``siam-tracker export`` wrote.

    Args:
        folder: of the exported tracker.
        changes: settings that differ from those that it was exported with.
        wish: where its network is to run.

    Raises:
        ExportError, RuntimeMissingError: if the folder is not whole, or nothing here runs its graphs.
        ConfigError: for settings that the graphs are not for.
    """
    wish.check()
    backend = open_exported(folder, wish)
    manifest = backend.manifest
    if manifest.tracker not in ON_BACKENDS:
        raise ExportError(
            f"{folder} was exported for a tracker {manifest.tracker!r}, which this version does not know; known are "
            f"{', '.join(sorted(ON_BACKENDS))}"
        )
    model, settings = ON_BACKENDS[manifest.tracker]
    config = read_config(settings, merged(manifest.config, changes), str(folder))
    sizes = crop_sizes(config)
    if sizes.exemplar != manifest.exemplar_size or not set(sizes.searches) <= set(manifest.search_sizes):
        raise ConfigError(
            f"{folder} was exported for exemplar crops of {manifest.exemplar_size} pixels and search crops of "
            f"{', '.join(map(str, manifest.search_sizes))}, and the settings ask for {sizes.exemplar} and "
            f"{', '.join(map(str, sizes.searches))}; export the tracker again with these settings"
        )
    given = read_config(settings, manifest.config, str(folder)).online.features
    if config.online.features not in (None, given):
        raise ConfigError(
            f"{folder} was exported without the features that learning needs; export the tracker again with "
            f"online.enabled and online.features_from {config.online.features_from}, or leave learning off"
        )
    return Tracker(model(backend, config, manifest.name))  # type: ignore[arg-type]


def subject_of(blueprint: Blueprint) -> Subject:
    """What an export of a tracker needs.

    Raises:
        ExportError: if the tracker runs in PyTorch only; says why.
    """
    kind = str(blueprint.metadata.get("tracker"))
    if kind not in ON_BACKENDS:
        raise ExportError(
            f"{blueprint.name} cannot be exported, because {why_not(kind)}; {', '.join(sorted(ON_BACKENDS))} can"
        )
    plain = replace(blueprint, device=torch.device("cpu"), precision="single")
    settings = ON_BACKENDS[kind][1]
    return Subject(
        name=blueprint.name,
        tracker=kind,
        backend=_torch_backend(plain),
        sizes=crop_sizes(blueprint.config(settings)),
        weights=sha256(blueprint.path),
        network=blueprint.network,
        config=blueprint.departures(settings),
    )


def why_not(kind: str) -> str:
    """Why a kind of tracker runs in PyTorch only."""
    return ONLY_PYTORCH.get(kind, "its network does not split into a template branch and a search branch")


def crop_sizes(config: SiamFCConfig | SiamRPNConfig) -> CropSizes:
    """The sizes of the crops that settings ask for, the usual one first."""
    if isinstance(config, SiamRPNConfig):
        searches = tuple(dict.fromkeys(config.searches().values()))
        return CropSizes(config.exemplar_size, searches, config.context_amount)
    return CropSizes(config.exemplar_size, (config.search_size,), config.context_amount, config.scales)


def _torch_backend(blueprint: Blueprint) -> TorchBackend:
    backend = BUILDERS[str(blueprint.metadata.get("tracker"))](blueprint).model.backend  # type: ignore[attr-defined]
    assert isinstance(backend, TorchBackend)
    return backend
