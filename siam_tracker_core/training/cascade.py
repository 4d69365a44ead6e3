"""Joining two trained networks into the weights of the cascade, whose halves are trained apart (section 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from siam_tracker_core.config import merged, read_config, with_new_names
from siam_tracker_core.errors import WeightsError
from siam_tracker_core.networks.mdnet import without_domains
from siam_tracker_core.trackers.cascade import HALVES, CascadeConfig
from siam_tracker_core.trackers.mdnet import MDNetConfig
from siam_tracker_core.trackers.siamfc import SiamFCConfig
from siam_tracker_core.training.engine.saving import save
from siam_tracker_core.weights import read_weights, sha256

# Which trackers' weights the halves are made of.
_KINDS = {"matching": "siamfc", "classification": "mdnet"}


def join(
    matching: Path, classification: Path, out: Path, settings: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """Write the cascade's weights file: both networks, their descriptions, settings and origins.

    Where the halves lie in the folder of ``out``, it names their tensors and does not hold them again.

    Crop sizes and calibration of the matching half become the cascade's, its other settings ``siamfc``, and those of
    the other half ``mdnet``. MDNet's last layers are left out: a target has its own.

    Args:
        matching: weights of a SiamFC, with any backbone.
        classification: weights of an MDNet.
        out: the file to write.
        settings: of the cascade, put over those of the halves.

    Returns:
        The metadata that was written.

    Raises:
        ConfigError: if the settings are not a cascade's.
        WeightsError: if a file is missing, damaged or of another tracker, or ``out`` cannot be written.
    """
    paths = dict(zip(HALVES, (matching, classification), strict=True))
    halves = {half: _half(half, path) for half, path in paths.items()}
    told = {half: metadata for half, (_, metadata) in halves.items()}
    classes = dict(zip(HALVES, (SiamFCConfig, MDNetConfig), strict=True))
    own = {half: with_new_names(classes[half], told[half].get("config", {})) for half in HALVES}
    stored = with_new_names(CascadeConfig, {**own["matching"], "mdnet": own["classification"]})
    config = merged(stored, settings)
    read_config(CascadeConfig, config, "the settings of the cascade")
    metadata = {
        "tracker": "cascade",
        "network": {half: told[half].get("network", {}) for half in HALVES},
        "config": config,
        "provenance": _provenance(
            {half: {**told[half].get("provenance", {}), "sha256": sha256(path)} for half, path in paths.items()}
        ),
    }
    state = {f"{half}.{name}": tensor for half, (tensors, _) in halves.items() for name, tensor in tensors.items()}
    save(out, state, metadata, "give another file, or make room", beside=[matching, classification])
    return metadata


def _provenance(halves: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Where both halves come from, with the steps and hours of both; seed, device and commit are the last half's."""
    sums = {key: sum(told.get(key, 0) for told in halves.values()) for key in ("steps", "hours")}
    last = halves[HALVES[-1]]
    return {**halves, **sums, **{key: last.get(key) for key in ("seed", "device", "commit")}}


def _half(half: str, path: Path) -> tuple[Mapping[str, torch.Tensor], dict[str, Any]]:
    """Tensors and metadata of one half's file."""
    state, metadata = read_weights(path)
    kind = metadata.get("tracker") or metadata.get("network", {}).get("name")
    if kind != _KINDS[half]:
        raise WeightsError(f"{path} cannot be the {half} half of a cascade: it holds {kind!r}, not {_KINDS[half]!r}")
    return (without_domains(state) if half == "classification" else state), metadata
