"""The cascade's weights and settings: joined of two halves, each of which alone is SiamFC or MDNet."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from made_cascade import CLASSIFIER, follow
from made_network import random_weights

from siam_tracker_core import load_tracker
from siam_tracker_core.config import merged, read_config
from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.networks import MDNet
from siam_tracker_core.trackers.cascade import CascadeConfig, CascadeModel
from siam_tracker_core.trackers.mdnet import MDNetModel
from siam_tracker_core.trackers.siamfc import SiamFCModel
from siam_tracker_core.training.cascade import join
from siam_tracker_core.weights import read_weights, save_weights, sha256

SETTINGS = Path(__file__).resolve().parents[4] / "config" / "trackers"


def test_a_gate_that_asks_for_peaks_nobody_looks_for_is_refused():
    with pytest.raises(ConfigError, match=r"gate.distractor 0.6 is below peaks.ratio 0.75"):
        read_config(CascadeConfig, {"gate": {"distractor": 0.6}}, "here")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A SiamFC with random weights, an MDNet with two domains, and the cascade of both."""
    folder = tmp_path_factory.mktemp("weights")
    matching = random_weights(folder / "siamfc.safetensors", config={"calibration": {"bias": -1.0}})
    torch.manual_seed(1)
    description = {"tracker": "mdnet", "network": {"name": "mdnet", "backbone": "vgg_m"}}
    settings = {"config": {"long_interval": 7}, "provenance": {"steps": 5}}
    save_weights(folder / "mdnet.safetensors", MDNet(domains=2).state_dict(), description | settings)
    join(matching, folder / "mdnet.safetensors", folder / "cascade.safetensors")
    return folder


def test_a_joined_file_holds_both_halves_and_tells_their_origin(files):
    state, metadata = read_weights(files / "cascade.safetensors")
    for half, name in (("matching", "siamfc"), ("classification", "mdnet")):
        tensors, _ = read_weights(files / f"{name}.safetensors")
        own = {key: tensor for key, tensor in tensors.items() if not key.startswith("fc6")}
        assert {key.removeprefix(f"{half}.") for key in state if key.startswith(half)} == set(own)
        assert all(torch.equal(state[f"{half}.{key}"], tensor) for key, tensor in own.items())
        assert metadata["provenance"][half]["sha256"] == sha256(files / f"{name}.safetensors")
    config = load_tracker(files / "cascade.safetensors", "cpu").config
    assert (config.calibration.bias, config.mdnet.long_interval) == (-1.0, 7)
    with pytest.raises(WeightsError, match=r"cannot be the classification half of a cascade: it holds 'siamfc'"):
        join(files / "siamfc.safetensors", files / "siamfc.safetensors", files / "no.safetensors")


def test_settings_are_stored_over_those_of_the_halves(files):
    halves = files / "siamfc.safetensors", files / "mdnet.safetensors"
    shipped = yaml.safe_load((SETTINGS / "cascade_shipped.yaml").read_text())
    join(*halves, files / "set.safetensors", merged(shipped, {"mdnet": {"long_interval": 5}}))
    config = load_tracker(files / "set.safetensors", "cpu").config
    assert (config.size_lr, config.patch_step) == (shipped["size_lr"], shipped["patch_step"])
    assert (config.calibration.bias, config.mdnet.long_interval) == (-1.0, 5)
    with pytest.raises(ConfigError, match=r"the settings of the cascade: sise_rate: there is no such setting"):
        join(*halves, files / "no.safetensors", {"sise_rate": 0.25})
    assert not (files / "no.safetensors").exists()


def test_settings_that_moved_into_siamfc_are_read_from_weights_and_refused_from_users(files, tmp_path):
    state, metadata = read_weights(files / "cascade.safetensors")
    before = {"scale_lr": 0.4, "upsampling": 8, "siamfc": {"scales": 5}, "size_lr": 0.5, "mdnet": {"long_interval": 7}}
    apart = {name: tensor.clone() for name, tensor in state.items()}
    save_weights(tmp_path / "before.safetensors", apart, metadata | {"config": before})
    config = load_tracker(tmp_path / "before.safetensors", "cpu").config
    assert (config.siamfc.scale_lr, config.siamfc.response_up, config.siamfc.scales) == (0.4, 8, 5)
    assert (config.size_lr, config.mdnet.long_interval) == (0.5, 7)
    with pytest.raises(ConfigError, match=r"scale_lr is called siamfc\.scale_lr now"):
        load_tracker(files / "cascade.safetensors", "cpu", config={"scale_lr": 0.4})


@pytest.mark.slow
@pytest.mark.parametrize(("parts", "name"), [("matching", "siamfc"), ("classification", "mdnet")])
def test_one_part_alone_is_the_tracker_of_its_half(files, hiding, parts, name):
    red, images = hiding
    few = {"candidates": 8, "regression_samples": 8, "classifier": CLASSIFIER | {"init_negatives": 20}}
    own = few if name == "mdnet" else {"lost": {"enabled": False}}
    half = {"parts": parts, "mdnet": few, "lost": {"enabled": name == "mdnet"}}
    alone = load_tracker(files / f"{name}.safetensors", "cpu", config=own)
    part = load_tracker(files / "cascade.safetensors", "cpu", config=half)
    assert type(part.model) is type(alone.model)
    for one, other in zip(follow(part, images[:3], red), follow(alone, images[:3], red), strict=True):
        assert (one.box, one.score) == (other.box, other.score)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cascade", CascadeModel),
        ("cascade_matching", SiamFCModel),
        ("cascade_classification", MDNetModel),
        ("cascade_no_gate", CascadeModel),
        ("cascade_fast", CascadeModel),
        ("cascade_shipped", CascadeModel),
    ],
)
def test_shipped_settings_name_the_parts_of_figure_3(files, name, kind):
    tracker = load_tracker(files / "cascade.safetensors", "cpu", config=SETTINGS / f"{name}.yaml")
    assert type(tracker.model) is kind


def test_the_defaults_that_the_settings_file_tells_are_the_defaults():
    told = (SETTINGS / "cascade.yaml").read_text().split("#\n", 1)[1]
    settings = yaml.safe_load("".join(line.removeprefix("# ") for line in told.splitlines(keepends=True)))
    assert set(settings) == {
        "parts",
        "peaks",
        "patch_scales",
        "patch_step",
        "size_lr",
        "lost_windows",
        "gate",
        "update_every",
    } | {
        "failure",
        "siamfc",
        "mdnet",
    }
    assert read_config(CascadeConfig, settings, "the file") == CascadeConfig()
