"""SiamFC on SiamDW's backbones, with the settings that are shipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box, Window, context_size
from siam_tracker_core.networks import SiamFCNetwork, backbone
from siam_tracker_core.networks.ciresnet import DESCRIPTIONS
from siam_tracker_core.trackers.tracker import Tracker
from siam_tracker_core.weights import save_weights
from siam_tracker_core.zoo import load_tracker

CONFIGS = Path(__file__).parents[3] / "config" / "trackers"


@pytest.fixture
def textured() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (240, 320, 3), np.uint8)


def tracker_of(name: str, folder: Path, config: Path | dict[str, object]) -> Tracker:
    """SiamFC with a random backbone, by way of a weights file."""
    torch.manual_seed(0)
    network = SiamFCNetwork(backbone(name), gain=0.1)
    content = {"tracker": "siamfc", "network": {"backbone": name, "gain": 0.1}, "config": {"lost": {"enabled": False}}}
    save_weights(folder / "made.safetensors", network.state_dict(), content)
    return load_tracker(folder / "made.safetensors", "cpu", config=config, precision="single")


@pytest.mark.slow
@pytest.mark.parametrize("name", list(DESCRIPTIONS))
def test_siamfc_plus_runs_with_its_settings(name, textured, tmp_path):
    tracker = tracker_of(name, tmp_path, CONFIGS / f"siamfc_{name}.yaml")
    tracker.init(textured, Box(140, 100, 40, 30))
    result = tracker.update(textured)
    cells = (tracker.config.search_size - 127) // tracker.model.backend.network.backbone.stride + 1
    assert result.response.values.shape == (cells, cells)


@pytest.mark.parametrize("name", list(DESCRIPTIONS))
def test_an_exemplar_has_the_same_features_inside_a_search_image(name, textured, tmp_path):
    """The response at the target is the exemplar's correlation with itself, which padding would not allow."""
    tracker = tracker_of(name, tmp_path, {"scales": 1})
    tracker.init(textured, Box(140, 100, 40, 30))
    response = tracker.update(textured).response.values
    frame = Frame(textured, torch.device("cpu"))
    crop = frame.crops([Window(160, 115, context_size(40, 30, 0.5))], 127)
    middle = len(response) // 2
    with torch.inference_mode():
        own = 0.1 * float(tracker.model.backend.template(crop)[0].square().sum())
    assert response[middle, middle] == pytest.approx(own, rel=1e-3)
