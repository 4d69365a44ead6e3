"""``siam-tracker make-shallower``: make of a SiamFC+ one with fewer units, to train on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from siam_tracker_core.errors import WeightsError
from siam_tracker_core.networks import Backbone
from siam_tracker_core.networks import backbone as build
from siam_tracker_core.networks.shallower import without_last_units
from siam_tracker_core.training.data.crop_store import EXEMPLAR_SIZE
from siam_tracker_core.training.engine.saving import check_new, save
from siam_tracker_core.weights import below, load_into, made_of, read_weights

_PREFIX = "backbone."


def make_shallower(weights: Path, backbone: str, out: Path) -> None:
    """Make of a SiamFC+ one whose backbone has fewer units, to begin its training with.

    The correlation's gain becomes smaller as the exemplar's features have more cells, so that responses stay where they
    are. Scores are to be calibrated anew.

    Args:
        weights: of a SiamFC+, such as siamfc_ciresnet22.
        backbone: that is wanted: the same network with fewer units, such as ciresnet16.
        out: the weights file to write, ending in .safetensors; one that exists is not overwritten.
    """
    check_new(out)
    state, metadata = read_weights(weights)
    description: dict[str, Any] = dict(metadata.get("network", {}))
    if metadata.get("tracker") != "siamfc" or not {"backbone", "gain"} <= description.keys():
        raise WeightsError(f"{weights} holds no SiamFC+; give one, such as siamfc_ciresnet22.safetensors")
    if "backbone_options" in description:
        raise WeightsError(f"{weights} has a backbone with options of its own, of which no shallower one is made")
    deeper = description["backbone"]
    features = below(state, _PREFIX)
    kept = without_last_units(features, deeper, backbone)
    network = build(backbone)
    load_into(network, kept, str(weights))
    head = {name: tensor for name, tensor in state.items() if not name.startswith(_PREFIX)}
    gain = round(description["gain"] * _cells(build(deeper)) / _cells(network), 4)
    told = {
        "tracker": "siamfc",
        "network": {**description, "backbone": backbone, "gain": gain},
        "config": {name: value for name, value in metadata.get("config", {}).items() if name != "calibration"},
        "provenance": {
            **made_of(weights, metadata),
            "left out": f"{len(features) - len(kept)} tensors of the last units",
        },
    }
    save(out, head | {_PREFIX + name: tensor for name, tensor in kept.items()}, told, "give another name, or make room")
    print(f"{out}: SiamFC+ of {backbone}, gain {gain}, {out.stat().st_size / 1e6:.1f} MB; train it, then calibrate it")


@torch.no_grad()
def _cells(network: Backbone) -> int:
    """Cells of the features of an exemplar."""
    return int(network.eval()(torch.zeros(1, 3, EXEMPLAR_SIZE, EXEMPLAR_SIZE))[0, 0].numel())
