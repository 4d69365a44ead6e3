"""``siam-tracker make-dsiam``: make a DSiam of a trained SiamFC, or of a backbone, without training."""

from __future__ import annotations

import itertools
from pathlib import Path

import torch

from siam_tracker_core.config import read_config, with_new_names
from siam_tracker_core.datasets.exclusions import refuse_test_data
from siam_tracker_core.datasets.registry import data_set as registered
from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.networks import backbone
from siam_tracker_core.networks.dsiam import APPEARANCE_RIDGE, SUPPRESSION_RIDGE, DSiamNetwork, describe, with_siamfc
from siam_tracker_core.trackers.dsiam import DSiamConfig
from siam_tracker_core.training.engine.saving import check_new, save
from siam_tracker_core.weights import load_into, made_of, read_weights


def make_dsiam(
    weights: Path,
    out: Path,
    layers: str = "conv5",
    gain: float = 1e-3,
    bias: float = 0.0,
    appearance_ridge: float = APPEARANCE_RIDGE,
    suppression_ridge: float = SUPPRESSION_RIDGE,
    videos: Path | None = None,
    data_set: str = "folder",
    most: int = 50,
) -> None:
    """Make a DSiam of a trained SiamFC, or of a backbone, without training.

    The fusion's weight maps start as the paper's: the first layer has all the weight. Of a SiamFC all else stays as it
    is, its calibration too, which is one of responses that nothing transforms; ``siam-tracker calibrate`` fits another.

    Args:
        weights: of a SiamFC with AlexNet, or of a backbone as ``siam-tracker import-checkpoint`` writes it.
        out: the weights file to write, ending in .safetensors; one that exists is not overwritten.
        layers: of the backbone, the deepest first: conv5, or conv5,conv4 for DSiamM, or conv5_4,conv4_4 of VGG-19.
        gain: of the correlation, for a backbone.
        bias: of the response, for a backbone; a frame is confident where the response with it is positive.
        appearance_ridge: lambda_v of all layers, by cell.
        suppression_ridge: lambda_w of all layers, by cell.
        videos: training videos to fit gain and bias on, for a backbone, in place of the two above.
        data_set: what lies there: folder (sequences in OTB's form), or another of ``siam-tracker prepare``.
        most: sequences of it that are looked at.
    """
    check_new(out)
    state, metadata = read_weights(weights)
    settings = with_new_names(DSiamConfig, metadata.get("config", {}))
    read_config(DSiamConfig, settings, f"{weights} has settings that a DSiam does not have")
    description, kind = metadata.get("network", {}), metadata.get("tracker")
    if kind not in (None, "siamfc") or "backbone" not in description:
        raise WeightsError(f"{weights} holds neither a SiamFC nor a backbone, of which a DSiam can be made")
    name = description["backbone"]
    network = DSiamNetwork(
        backbone(name),
        [layer.strip() for layer in layers.split(",")],
        description.get("gain", gain),
        appearance_ridge=appearance_ridge,
        suppression_ridge=suppression_ridge,
    )
    if kind is None:
        state = {f"backbone.{part}": tensor for part, tensor in state.items()}
        state["correlation.bias"] = torch.tensor(bias)
    load_into(network, with_siamfc(network, state), str(weights))
    if videos is not None:
        if kind is not None:
            raise ConfigError(f"{weights} is a SiamFC, which has its gain and bias; leave out --videos")
        _fit(network, videos, data_set, most)
    described, provenance = describe(network, name), made_of(weights, metadata)
    told = {"tracker": "dsiam", "network": described, "config": settings, "provenance": provenance}
    save(out, network.state_dict(), told, "give another name, or make room", beside=[weights])
    print(f"gain {network.correlation.gain:.4g}, bias {float(network.correlation.bias.detach()):.4g}")
    print(f"{out}: DSiam of {name} with {', '.join(network.layers)}, {out.stat().st_size / 1e6:.1f} MB")


def _fit(network: DSiamNetwork, videos: Path, data_set: str, most: int) -> None:
    """Give a network the gain and bias that training videos ask for."""
    from siam_tracker_core.training.engine.response_fit import fit_response  # it alone needs scikit-learn

    refuse_test_data(data_set, "")
    read = registered(data_set).read(videos)
    sequences = [item for item in itertools.islice(read, most) if isinstance(item, Sequence)]
    network.correlation.gain, bias = fit_response(network, sequences)
    with torch.no_grad():
        network.correlation.bias.fill_(bias)
