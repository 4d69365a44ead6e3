"""Loading trackers: by name, by path, with settings; and what is said when something is wrong."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import pytest
import torch
import yaml
from made_network import random_weights

from siam_tracker_core import Tracker, load_tracker
from siam_tracker_core.cli import main
from siam_tracker_core.commands.zoo import zoo as zoo_command
from siam_tracker_core.config import merged, read_config, read_yaml, with_new_names
from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.trackers.cascade import CascadeConfig
from siam_tracker_core.trackers.dsiam import DSiamConfig
from siam_tracker_core.trackers.mdnet import MDNetConfig
from siam_tracker_core.trackers.siamban import SiamBANConfig
from siam_tracker_core.trackers.siamfc import SiamFCConfig, SiamFCModel
from siam_tracker_core.trackers.siamrpn import SiamRPNConfig
from siam_tracker_core.trackers.srt import SRTConfig
from siam_tracker_core.weights import read_weights, save_weights, sha256
from siam_tracker_core.zoo import find_weights, read_zoo

ROOT = Path(__file__).parents[2]
ENTRY = {
    "file": "w.safetensors",
    "sha256": "0" * 64,
    "description": "a made tracker",
    "tracker": "siamfc",
    "network": {"backbone": "alexnet", "gain": 0.001},
    "parameters": 2336321,
    "provenance": {
        "data": "none",
        "start": "noise",
        "steps": 0,
        "seed": 5,
        "commit": "none",
        "device": "cpu",
        "hours": 0.0,
    },
}


@pytest.fixture
def made_zoo(weights, tmp_path):
    """A folder with a zoo of one whole tracker, one whose file is another, and one without a file."""
    (tmp_path / "w.safetensors").write_bytes(weights.read_bytes())
    (tmp_path / "changed.safetensors").write_bytes(b"changed")
    whole = {**ENTRY, "sha256": sha256(weights)}
    entries = {"changed": {**ENTRY, "file": "changed.safetensors"}, "gone": {**ENTRY, "file": "gone.safetensors"}}
    (tmp_path / "zoo.yaml").write_text(yaml.safe_dump({**entries, "whole": whole}, sort_keys=False))
    return tmp_path


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


def test_a_weights_file_can_be_read_by_whom_the_umask_allows(tmp_path):
    before = os.umask(0o022)
    try:
        save_weights(tmp_path / "new.safetensors", {"weight": torch.ones(2)}, {})
    finally:
        os.umask(before)
    assert (tmp_path / "new.safetensors").stat().st_mode & 0o777 == 0o644


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


CONFIGS = {
    "cascade": CascadeConfig,
    "dsiam": DSiamConfig,
    "mdnet": MDNetConfig,
    "siamfc": SiamFCConfig,
    "siamban": SiamBANConfig,
    "siamrpn": SiamRPNConfig,
    "srt": SRTConfig,
}


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"network": ["alexnet"]}, "is .'alexnet'., a list; expected a mapping"),
        ({"network": {"backbone": 3}}, "no backbone 3"),
        ({"network": {"gain": "much"}}, "nothing can be built of"),
        ({"network": {}, "config": [1]}, "is .1., a list; expected a mapping"),
        ({"network": {}, "config": {"scales": 2}}, "stores settings that this version cannot use: scales: 2 is even"),
        ({"tracker": ["siamfc"]}, "a list; expected a text"),
    ],
)
def test_malformed_metadata_is_told_in_a_sentence(tmp_path, metadata, words):
    path = random_weights(tmp_path / "w.safetensors")
    state, told = read_weights(path)
    save_weights(path, state, told | metadata)
    with pytest.raises((WeightsError, ConfigError), match=words):
        load_tracker(path, "cpu")


def test_old_names_are_refused_from_users_and_read_from_weights(tmp_path):
    path = random_weights(tmp_path / "w.safetensors", config={"context": 0.25, "scale_rate": 0.4, "upsampling": 8})
    config = load_tracker(path, "cpu").config
    assert (config.context_amount, config.scale_lr, config.response_up) == (0.25, 0.4, 8)
    with pytest.raises(ConfigError, match="the given settings: scale_rate is called scale_lr now"):
        load_tracker(path, "cpu", config={"scale_rate": 0.4})


def test_what_zoo_yaml_says_is_what_the_files_say():
    for entry in read_zoo().values():
        state, metadata = read_weights(entry.path)
        assert (metadata["tracker"], metadata["network"]) == (entry.tracker, entry.network)
        assert with_new_names(CONFIGS[entry.tracker], metadata.get("config", {})) == entry.config
        learnable = [
            name for name in state if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
        ]
        assert sum(state[name].numel() for name in learnable) == entry.parameters
        provenance = metadata["provenance"]
        for key in ("steps", "seed", "device", "hours"):
            assert provenance[key] == getattr(entry.provenance, key)
        assert provenance["commit"].startswith(entry.provenance.commit)
        if "scores" in provenance:
            assert provenance["scores"]["test_success_auc"] == entry.scores.success_auc
            assert provenance["scores"]["test_precision_20"] == entry.scores.precision_20


def test_every_weights_file_is_listed_and_all_are_small_enough():
    files = list((ROOT / "weights").glob("*.safetensors"))
    assert {entry.path for entry in read_zoo(ROOT / "weights").values()} == set(files)
    assert sum(file.stat().st_size for file in files) < 120e6


def test_the_page_is_the_one_that_zoo_yaml_makes(tmp_path, capsys):
    page = ROOT / "docs" / "model_zoo.md"
    zoo_command(check=True, page=page, folder=ROOT / "weights")
    assert "up to date" in capsys.readouterr().out
    stale = tmp_path / "docs" / "page.md"
    with pytest.raises(ConfigError, match=r"page.md is not what zoo.yaml says; .* --markdown"):
        zoo_command(check=True, page=stale, folder=ROOT / "weights")
    zoo_command(markdown=True, page=stale, folder=ROOT / "weights")
    assert stale.read_bytes() == page.read_bytes()
    stale.write_text(page.read_text().replace("success AUC", "success", 1))
    with pytest.raises(ConfigError, match="is not what"):
        zoo_command(check=True, page=stale, folder=ROOT / "weights")


def test_the_list_goes_on_past_files_that_do_not_fit(made_zoo, capsys):
    assert main(["zoo", "--folder", str(made_zoo)]) == 1
    told = capsys.readouterr()
    rows = {line.split("|")[1].strip(): line for line in told.out.splitlines()[2:]}
    assert list(rows) == ["changed", "gone", "whole"]
    assert "2.336 M" in rows["whole"]
    assert "–" in rows["gone"]
    assert "changed.safetensors is not the one that zoo.yaml lists: its SHA-256 differs" in told.err
    assert "not here: gone; --get gets them" in told.err
    assert "w.safetensors" not in told.err


def test_loading_from_a_zoo_with_a_wrong_hash(made_zoo, monkeypatch):
    monkeypatch.setattr("siam_tracker_core.zoo.shipped", lambda *_: made_zoo)
    assert isinstance(load_tracker("whole", device="cpu"), Tracker)
    with pytest.raises(WeightsError, match="SHA-256"):
        load_tracker("changed")
    with pytest.raises(WeightsError, match="does not exist; siam-tracker zoo --get gone gets it"):
        load_tracker("gone")


SCORES = {
    "sequences": "a",
    "success_auc": 0.5,
    "precision_20": 0.6,
    "frames_per_second": 30,
    "machine": "a",
    "command": "a",
    "tuned_on": "nothing",
}


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (["file"], None, "siamfc needs file"),
        (["sha256"], None, "siamfc needs sha256"),
        (["provenance", "steps"], None, "siamfc: provenance needs steps"),
        (["provenance"], "unknown", "siamfc: provenance holds a str"),
        (["provenance", "weather"], "fine", "siamfc: provenance: weather: there is no such setting"),
        (["provenance", "hours"], "many", "siamfc: provenance: hours: .*valid number"),
        (["rating"], 5, "siamfc: rating: there is no such setting"),
        (["scores", "success_auc"], 56.6, "siamfc: scores: success_auc: .*less than or equal to 1"),
        (["scores", "tuned_on"], None, "siamfc: scores needs tuned_on"),
    ],
)
def test_entries_that_say_too_little_or_something_unknown(tmp_path, path, value, words):
    entry = copy.deepcopy(ENTRY) | {"scores": dict(SCORES)}
    place = entry
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    (tmp_path / "zoo.yaml").write_text(yaml.safe_dump({"siamfc": entry}))
    with pytest.raises(ConfigError, match=rf"zoo.yaml: {words}"):
        read_zoo(tmp_path)


def test_a_tracker_without_scores_says_so(made_zoo, capsys):
    (made_zoo / "zoo.yaml").write_text(yaml.safe_dump({"whole": {**ENTRY, "sha256": sha256(made_zoo / ENTRY["file"])}}))
    zoo_command(markdown=True, page=made_zoo / "page.md", folder=made_zoo)
    page = (made_zoo / "page.md").read_text()
    assert "- Not measured." in page
    assert "differ from the tracker's defaults: none" in page


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
        ({"lost": {"patience": 0}}, "lost.patience: .*greater than or equal to 1"),
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
    assert isinstance(tracker.model, SiamFCModel)
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
    # Those of SiamRPN are checked beside it.
    for path in (find_weights("siamfc").parent.parent / "config" / "trackers").glob("siamfc*.yaml"):
        read_config(SiamFCConfig, read_yaml(path), str(path))
