"""Loading trackers: by name, by path, with settings; and what is said when something is wrong."""

from __future__ import annotations

import pytest
import torch
import yaml
from made_network import random_weights

from siam_tracker_core import Tracker, load_tracker
from siam_tracker_core.config import merged, read_config, read_yaml
from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.trackers.siamfc import SiamFC, SiamFCConfig
from siam_tracker_core.weights import read_weights, save_weights
from siam_tracker_core.zoo import find_weights, read_zoo


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return random_weights(tmp_path_factory.mktemp("weights") / "random.safetensors")


def test_every_shipped_tracker_is_whole_and_says_where_it_comes_from():
    zoo = read_zoo()
    assert "siamfc" in zoo
    for name in zoo:
        _, metadata = read_weights(find_weights(name))
        assert metadata["provenance"]["steps"] > 0
        assert isinstance(load_tracker(name, device="cpu"), Tracker)


def test_unknown_names_and_paths(tmp_path):
    with pytest.raises(WeightsError, match=r"'nobody'.*siamfc.*path"):
        load_tracker("nobody")
    with pytest.raises(WeightsError, match="does not exist"):
        load_tracker(tmp_path / "missing.safetensors")


def test_damaged_files(weights, tmp_path):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(WeightsError, match="truncated"):
        load_tracker(cut)
    garbage = tmp_path / "garbage.safetensors"
    garbage.write_bytes(b"")
    with pytest.raises(WeightsError, match="truncated"):
        load_tracker(garbage)


def test_weights_of_another_network(tmp_path):
    other = tmp_path / "other.safetensors"
    save_weights(other, {"head.weight": torch.zeros(3)}, {"tracker": "siamfc"})
    with pytest.raises(WeightsError, match=r"missing: backbone.*unused: head.weight"):
        load_tracker(other)
    save_weights(other, {"head.weight": torch.zeros(3)}, {"tracker": "telepathy"})
    with pytest.raises(WeightsError, match="telepathy"):
        load_tracker(other)


def test_a_zoo_with_a_wrong_hash(weights, tmp_path, monkeypatch):
    (tmp_path / "w.safetensors").write_bytes(weights.read_bytes())
    entry = {"file": "w.safetensors", "sha256": "0" * 64, "description": ""}
    (tmp_path / "zoo.yaml").write_text(yaml.safe_dump({"siamfc": entry}))
    monkeypatch.setattr("siam_tracker_core.zoo._data_folder", lambda *_: tmp_path)
    with pytest.raises(WeightsError, match="SHA-256"):
        load_tracker("siamfc")
    (tmp_path / "zoo.yaml").write_text("siamfc: {file: w.safetensors}")
    with pytest.raises(ConfigError, match="siamfc needs file, sha256"):
        load_tracker("siamfc")


@pytest.mark.parametrize(("device", "word"), [("tpu", "unknown"), ("cuda:99", "not on this machine"), ("", "unknown")])
def test_impossible_devices(weights, device, word):
    with pytest.raises(ConfigError, match=word):
        load_tracker(weights, device=device)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"scale_stop": 1.1}, "scale_stop: there is no such setting"),
        ({"scale_step": "wide"}, "scale_step: .*valid number.*'wide'"),
        ({"window_influence": 1.5}, "window_influence: .*less than or equal to 1"),
        ({"lost": {"patience": 0}}, "lost.patience: .*greater than 0"),
        ({"lost": {"hope": 1}}, "lost.hope: there is no such setting"),
    ],
)
def test_impossible_settings_name_the_file_and_the_key(weights, tmp_path, settings, words):
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump(settings))
    with pytest.raises(ConfigError, match=rf"settings.yaml: {words}"):
        load_tracker(weights, device="cpu", config=path)


def test_settings_win_over_what_the_weights_say(tmp_path):
    weights = random_weights(tmp_path / "w.safetensors", config={"scales": 5, "lost": {"patience": 7}})
    tracker = load_tracker(weights, device="cpu", config={"lost": {"uncertain": 0.4}})
    assert isinstance(tracker, SiamFC)
    assert (tracker.config.scales, tracker.config.lost.patience, tracker.config.lost.uncertain) == (5, 7, 0.4)


def test_yaml_files_that_are_none(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n- 2\n")
    with pytest.raises(ConfigError, match="holds a list"):
        read_yaml(tmp_path / "list.yaml")
    (tmp_path / "broken.yaml").write_text("a: [1")
    with pytest.raises(ConfigError, match="is not YAML"):
        read_yaml(tmp_path / "broken.yaml")
    (tmp_path / "empty.yaml").write_text("")
    assert read_yaml(tmp_path / "empty.yaml") == {}


def test_merging_goes_into_mappings_and_changes_neither():
    base, changes = {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"c": 4}}
    assert merged(base, changes) == {"a": {"b": 1, "c": 4}, "d": 3}
    assert base == {"a": {"b": 1, "c": 2}, "d": 3}


def test_shipped_tracker_settings_are_valid():
    for path in (find_weights("siamfc").parent.parent / "config" / "trackers").glob("*.yaml"):
        read_config(SiamFCConfig, read_yaml(path), str(path))
