"""SiamFC+ with fewer units, made of one that was trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from siam_tracker_core.commands.make_shallower import make_shallower
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.networks import SiamFCNetwork, backbone
from siam_tracker_core.networks.shallower import without_last_units
from siam_tracker_core.weights import read_weights, save_weights
from siam_tracker_core.zoo import load_tracker


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """A random SiamFC+ of CIResNet-22 with a calibration."""
    torch.manual_seed(0)
    network = SiamFCNetwork(backbone("ciresnet22"), gain=0.1)
    path = tmp_path / "deep.safetensors"
    told = {
        "tracker": "siamfc",
        "network": {"backbone": "ciresnet22", "gain": 0.1},
        "config": {"scale_lr": 0.4, "calibration": {"peak": 2.0, "psr": 1.0, "bias": 0.0}},
        "provenance": {"steps": 7},
    }
    save_weights(path, network.state_dict(), told)
    return path


# The exemplar's features are 5, 6 and 7 cells wide in Table 3 of SiamDW.
@pytest.mark.parametrize(
    ("name", "units", "gain"), [("ciresnet19", 2, 0.1 * 25 / 36), ("ciresnet16", 1, 0.1 * 25 / 49)]
)
def test_what_is_left_is_as_it_was_and_tracks(deep: Path, name: str, units: int, gain: float) -> None:
    out = deep.with_name("shallower.safetensors")
    make_shallower(deep, name, out)
    before, after = read_weights(deep)[0], read_weights(out)[0]
    gone = {key for key in before if any(key.startswith(f"backbone.layer1.{unit}.") for unit in range(units, 3))}
    assert gone
    assert after.keys() == before.keys() - gone
    assert all(torch.equal(after[key], before[key]) for key in after)
    metadata = read_weights(out)[1]
    assert metadata["network"] == {"backbone": name, "gain": pytest.approx(gain, abs=1e-4)}
    assert metadata["config"] == {"scale_lr": 0.4}
    assert metadata["provenance"]["start"] == {"steps": 7}
    sequence = made_sequence(frames=2, size=(160, 120))
    tracker = load_tracker(out, device="cpu", runtime="torch", precision="single")
    tracker.init(sequence.frames[0], sequence.boxes[0])
    assert tracker.update(sequence.frames[1]).box.to_array() == pytest.approx(sequence.boxes[1], abs=60)


@pytest.mark.parametrize("wanted", ["ciresnet22", "ciresnet43", "ciresnext22", "alexnet"])
def test_only_the_same_network_with_fewer_units_can_be_made(deep: Path, wanted: str) -> None:
    words = f"{wanted} is not ciresnet22 with fewer units; ciresnet16 and ciresnet19 are"
    with pytest.raises(ConfigError, match=words):
        make_shallower(deep, wanted, deep.with_name("out.safetensors"))
    with pytest.raises(ConfigError, match="no network of this package is"):
        without_last_units({}, "ciresnet16", wanted)


def test_what_it_cannot_be_made_of_is_said(deep: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exists already"):
        make_shallower(deep, "ciresnet16", deep)
    state, metadata = read_weights(deep)
    out = tmp_path / "out.safetensors"
    for network, tracker, words in (
        ({"backbone": "ciresnet22"}, "siamrpn", "holds no SiamFC"),
        ({**metadata["network"], "backbone_options": {"stride": 4}}, "siamfc", "options of its own"),
    ):
        path = tmp_path / "other.safetensors"
        save_weights(path, state, {**metadata, "tracker": tracker, "network": network})
        with pytest.raises(WeightsError, match=words):
            make_shallower(path, "ciresnet16", out)
    assert not out.exists()
