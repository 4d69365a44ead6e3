"""From a configuration to a small pack, and from that to weights, log and curves within a minute or so."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml
from made_shards import made_set, made_track

from siam_tracker_core.commands import train_packed as command
from siam_tracker_core.commands.pack import pack
from siam_tracker_core.commands.train_packed import train_packed
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.training.data.prepared_set import open_prepared
from siam_tracker_core.training.data.shards import read_shard
from siam_tracker_core.training.data.thinning import Thinning, thinning_to, video_size, write_thinned
from siam_tracker_core.training.data.track_videos import Encoding, is_videos, read_videos
from siam_tracker_core.weights import read_weights


@pytest.fixture
def config(shards: dict[str, str], tmp_path: Path) -> Path:
    """A training on prepared videos, as short as can be."""
    path = tmp_path / "tiny.yaml"
    training = {
        "epochs": 20,
        "batch_size": 2,
        "warmup": {"steps": 50},
        "unfreezing": {"every": 5},
        "precision": "single",
    }
    path.write_text(yaml.safe_dump({"data": {"sources": [{"path": shards["video"]}]}, "training": training}))
    return path


@pytest.mark.slow
def test_a_pack_trains_within_its_minutes_and_goes_on(config: Path, tmp_path: Path) -> None:
    packed, out = tmp_path / "packed", tmp_path / "out"
    pack([config], out=packed, megabytes=5)
    train_packed(packed, 0.1, out, workers=0, device="cpu", precision="single")
    settings = json.loads((out / "runs" / "tiny" / "settings.json").read_text())["training"]
    assert settings["epochs"] * settings["steps_per_epoch"] > 1
    assert settings["warmup"]["steps"] <= max(1, settings["epochs"] * settings["steps_per_epoch"] // 10)
    provenance = read_weights(out / "tiny.safetensors")[1]["provenance"]
    assert provenance["data"]["sequences"] == ["made3", "made4", "made5"]
    with (out / "tiny.csv").open(newline="") as file:
        assert list(csv.DictReader(file))
    assert (out / "tiny.png").read_bytes()[:4] == b"\x89PNG"
    train_packed(packed, 0.05, out, workers=0, device="cpu", precision="single")  # resumes, and only exports again
    assert json.loads((out / "runs" / "tiny" / "settings.json").read_text())["training"] == settings


def test_everything_that_a_configuration_names_is_in_the_pack(config: Path, tmp_path: Path) -> None:
    teacher = tmp_path / "teachers" / "one"
    teacher.mkdir(parents=True)
    (teacher / "net.onnx").write_bytes(b"x" * 10)
    values = yaml.safe_load(config.read_text())
    values["training"]["teachers"] = {"one": str(teacher)}
    config.write_text(yaml.safe_dump(values))
    start = tmp_path / "start.safetensors"
    start.write_bytes(b"weights")
    pack([config, config], start=[str(start), "-"], out=tmp_path / "packed", megabytes=5)
    first, second = command._chosen(tmp_path / "packed", tmp_path / "out", [])
    assert Path(first["start"]).read_bytes() == b"weights"
    assert "start" not in second
    for plan in (first, second):
        assert (Path(plan["training"]["teachers"]["one"]) / "net.onnx").is_file()
        assert plan["data"]["sources"][0]["path"] == str(tmp_path / "out" / "sets" / "0")
    assert is_videos(tmp_path / "packed" / "sets" / "0")
    command._unpack(tmp_path / "packed", tmp_path / "out")
    assert open_prepared(tmp_path / "out" / "sets" / "0").tracks == 3
    with pytest.raises(ConfigError, match="holds no training huge; it has tiny, tiny"):
        command._chosen(tmp_path / "packed", tmp_path / "out", ["huge"])


def test_what_cannot_be_packed_is_told(config: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.safetensors does not exist"):
        pack([config], start=str(tmp_path / "nowhere.safetensors"), out=tmp_path / "a")
    with pytest.raises(DatasetError, match="left at that size; allow more megabytes"):
        pack([config], out=tmp_path / "b", megabytes=0.0005)
    with pytest.raises(ConfigError, match="is not empty"):
        pack([config], out=tmp_path / "b")


def test_thinning_keeps_tracks_before_frames_and_spreads_both(tmp_path: Path) -> None:
    made_set(tmp_path / "set", [[made_track(f"v{n}", list(range(20)), n) for n in range(10)]])
    prepared = open_prepared(tmp_path / "set")
    assert write_thinned(prepared, Thinning(1.0, 0.5), tmp_path / "half") == (10, 100)
    half = read_videos(tmp_path / "half", tmp_path / "half again")
    sample = next(read_shard(half.info, "000000.tar", [3]))
    assert sample.frames[[0, -1]].tolist() == [0, 19]
    assert write_thinned(prepared, Thinning(0.3, 0.0), tmp_path / "few") == (3, 12)
    whole = Thinning(1.0, 1.0)
    how = thinning_to(prepared, video_size(prepared, whole) / 10, Encoding())
    assert 0.02 < how.samples * how.frames <= 0.1  # videos of fewer frames are larger by the frame
    assert how.frames == pytest.approx(0.2, rel=0.01)  # 4 of 20 frames: no track has fewer


def test_the_length_of_a_run_carries_its_openings_and_rise_along() -> None:
    settings = {
        "data": {},
        "training": {"epochs": 30, "unfreezing": {"every": 6}, "warmup": {"epochs": 5, "start_factor": 0.1}},
    }
    training = command._scheduled(settings, epochs=10, steps=40)["training"]
    assert training["unfreezing"] == {"every": 2}
    assert training["warmup"] == {"start_factor": 0.1, "steps": 40}
    assert (training["epochs"], training["steps_per_epoch"]) == (10, 40)
