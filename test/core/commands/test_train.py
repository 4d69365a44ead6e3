"""The commands from shards to a tracker, their settings, and every shipped configuration."""

from __future__ import annotations

import csv
import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from made_network import random_weights

from siam_tracker_core.cli import main
from siam_tracker_core.commands.pretrain import pretrain
from siam_tracker_core.commands.train import train, trainable, training_data
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import ConfigError, DatasetError, WeightsError
from siam_tracker_core.networks import MobileNetV2, backbone
from siam_tracker_core.training.distill import DistillConfig
from siam_tracker_core.training.engine.checkpoints import read_checkpoint
from siam_tracker_core.training.engine.export import start_from
from siam_tracker_core.training.engine.recipe import read_recipe
from siam_tracker_core.training.siamfc import SiamFCModule, SiamFCTraining
from siam_tracker_core.training.siamrpn import SiamRPNTraining
from siam_tracker_core.weights import read_weights, save_weights
from siam_tracker_core.zoo import load_tracker

CONFIGS = sorted((Path(__file__).resolve().parents[3] / "config" / "train").glob("*.yaml"))
# One of each kind of training, but that of SiamFC, which is run above; the others differ in numbers, and take minutes
# together.
QUICK = {"siamban_mobilenetv2", "siamrpn_mobilenetv2", "mdnet"}
EACH = [pytest.param(path, id=path.stem, marks=[] if path.stem in QUICK else pytest.mark.slow) for path in CONFIGS]


def crash_in_second_epoch(self, trainer, *_):
    if trainer.current_epoch == 1:
        raise SystemExit("as if the machine went down")


@pytest.mark.slow
def test_commands_from_distillation_to_a_tracker(videos, shards, objects, teacher, tmp_path, monkeypatch):
    """Two steps of each, interrupted and resumed, validated, ending in a file that tracks."""
    tiny = {"epochs": 2, "steps_per_epoch": 1, "batch_size": 2}
    pretrain(teacher, tmp_path / "pre", [shards["photographs"]], training=tiny, workers=0, device="cpu")
    start = tmp_path / "pre" / "backbone.safetensors"
    _, distilled = read_weights(start)
    assert distilled["provenance"]["steps"] == 2
    assert distilled["network"] == {"backbone": "alexnet"}
    seen = distilled["provenance"]["data"]
    assert (seen["crops"], seen["sources"], seen["teacher"].split()[0]) == (4, ["photographs"], "mobilenetv2")

    options = {
        "shards": [shards["video"]],
        "data": {"workers": 0, "streams": 2, "held_out": ["made5"]},
        "training": tiny,
        "validation": {"root": str(videos), "names": ["made5"], "frames": 3},
        "start": start,
        "objects": objects,
        "device": "cpu",
    }
    with monkeypatch.context() as patch:
        patch.setattr(SiamFCModule, "on_train_epoch_start", lambda self: crash_in_second_epoch(self, self.trainer))
        with pytest.raises(SystemExit):
            train("siamfc", tmp_path / "run", **options)
    with pytest.raises(WeightsError, match="--resume"):
        train("siamfc", tmp_path / "run", **options)
    train("siamfc", tmp_path / "run", resume=True, **options)
    train("siamfc", tmp_path / "whole", **options)
    state, metadata = read_weights(tmp_path / "run" / "siamfc.safetensors")
    uninterrupted, _ = read_weights(tmp_path / "whole" / "siamfc.safetensors")
    assert all(torch.equal(state[name], uninterrupted[name]) for name in state)

    told = metadata["provenance"]
    assert (told["steps"], told["start"]["data"]["crops"]) == (2, 4)
    assert told["data"]["sources"][0]["data_set"] == "folder"
    assert told["data"]["held_out"] == ["made5"]
    assert 0 <= told["validation"]["success_auc"] <= 1
    tracker = load_tracker(tmp_path / "run" / "siamfc.safetensors", device="cpu")
    images = made_sequence(frames=3, size=(320, 240), seed=3)
    tracker.init(images.frames[0], images.boxes[0])
    assert tracker.update(images.frames[1]).box.width > 1

    (tmp_path / "run" / "siamfc.safetensors").unlink()
    before = (tmp_path / "run" / "last.ckpt").read_bytes()
    train("siamfc", tmp_path / "run", resume=True, keep="best", **options)
    assert (tmp_path / "run" / "last.ckpt").read_bytes() == before  # a finished run is exported again, and no more
    _, metadata = read_weights(tmp_path / "run" / "siamfc.safetensors")
    best = read_checkpoint(tmp_path / "run" / "best.ckpt")["epoch"]
    assert metadata["provenance"]["validation"]["epochs"] == best + 1

    content = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    view = {"shift": 32.0, "scale": 0.06, "stretch": 0.05, "rotation": 0.0, "shear": 0.0}
    assert content["training"]["search_view"] == view
    again = read_recipe(SiamFCTraining, content["training"])
    assert again == replace(SiamFCTraining(), **tiny)


# Configurations and settings


def make_small(content: dict, shards: dict, videos: Path, objects: Path, folder: Path) -> dict:
    """A configuration with two steps of two samples on made data."""
    content = json.loads(json.dumps(content))
    training = content.setdefault("training", {})
    training |= {
        "epochs": 1,
        "steps_per_epoch": 2,
        "batch_size": 2,
        "accumulate_grad_batches": 1,
        "warmup": {"steps": 1},
    }
    if "tracker" not in content and "shards" not in content:  # on classes of pictures
        return content | {"workers": 0, "training": training | {"image_size": 128}}
    if "tracker" not in content:
        return content | {"shards": [shards["photographs"]], "workers": 0}
    data = content.setdefault("data", {})
    data |= {"sources": [{"path": shards["video"]}], "workers": 0, "streams": 1, "held_out": ["made5"]}
    data |= {"validation_share": 0.0, "validation_samples": 0}  # of so few videos none may be left
    for settings in data.values():
        if isinstance(settings, dict) and "cutouts" in settings:
            settings["cutouts"] = str(objects)
    if content["tracker"] == "mdnet":  # the first frame alone has thousands of patches
        data["domains"] = {"frames": 2, "positives": 4, "negatives": 8}
        training |= {"hard_negatives": 4, "domains": 16}
        few = {
            "init_positives": 8,
            "init_negatives": 16,
            "init_rounds": 2,
            "update_positives": 4,
            "update_negatives": 8,
        }
        training["tracking"] = {"candidates": 8, "regression_samples": 8, "classifier": few | {"hard_pool": 16}}
    if content["tracker"] == "srt":  # as many boxes and channels as are needed to run
        data["box_pairs"] = {"positives": 4, "negatives": 4}
        training["layers"] |= {"hidden": 16, "outputs": 16}
        training["search_size"] = 192
    if content["tracker"] == "siamban":  # compiling takes minutes
        training["compile"] = False
    if "teachers" in training:  # other people's files
        training["teachers"] = {}
    frames = 1 if content["tracker"] == "srt" else 2  # a frame of it has hundreds of candidates
    content["validation"] = {"root": str(videos), "names": ["made5"], "frames": frames}
    if data.get("kind", "pairs") == "pairs":
        content["objects"] = str(objects)
    if "start" in content:
        kind = trainable(content["tracker"])
        content["start"] = str(folder / "start.safetensors")
        fresh = kind.build(read_recipe(kind.recipe_class, training))
        save_weights(content["start"], fresh.backbone.state_dict(), {})
    return content


@pytest.mark.parametrize("path", EACH)
def test_every_configuration_trains(path, shards, videos, objects, teacher, classes, tmp_path):
    content = make_small(yaml.safe_load(path.read_text()), shards, videos, objects, tmp_path)
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(content))
    command, weights = ("train", content["tracker"]) if "tracker" in content else ("pretrain", "backbone")
    teachers = [] if command == "train" else [str(teacher if "shards" in content else classes)]
    out = tmp_path / "run"
    options = ["--config", str(tmp_path / "small.yaml"), "--out", str(out), "--device", "cpu"]
    assert main([command, *options, *teachers]) == 0
    state, metadata = read_weights(out / f"{weights}.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in state.values())
    assert metadata["provenance"]["steps"] == 2
    assert list((out / "pictures").iterdir())


def test_command_line_goes_before_the_file(shards, tmp_path, capsys):
    file = tmp_path / "small.yaml"
    content = {"tracker": "siamfc", "data": {"workers": 0, "streams": 1}, "training": {"epochs": 9, "batch_size": 2}}
    file.write_text(yaml.safe_dump(content))
    options = ["--config", str(file), "--out", str(tmp_path / "run"), f"--shards=[{shards['video']}]"]
    assert main(["train", *options, "--training.epochs=1", "--training.steps_per_epoch=1"]) == 0
    told = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (told["training"]["epochs"], told["training"]["batch_size"]) == (1, 2)
    assert told["data"]["sources"] == [{"path": shards["video"], "weight": 1.0, "share": 1.0, "loose": False}]
    for wrong, words in (
        ({"training": {"epoch": 3}}, "training: epoch: there is no such setting"),
        ({"data": {"batch_size": 3}}, "data.batch_size is a setting of the training"),
        ({"data": {"source": []}}, "data: source: there is no such setting"),
        ({"validation": {"rot": "x"}}, "validation: rot: there is no such setting"),
        ({"tracker": "siamfd"}, "no training of 'siamfd'"),
    ):
        file.write_text(yaml.safe_dump({**content, **wrong}))
        assert main(["train", "--config", str(file), "--out", str(tmp_path / "none")]) == 1
        assert words in capsys.readouterr().err
    file.write_text(yaml.safe_dump({"trackers": "siamfc"}))
    with pytest.raises(SystemExit):
        main(["train", "--config", str(file)])
    assert "trackers" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("command", "needed"), [("train", []), ("pretrain", ["teacher"])])
def test_settings_explain_themselves_and_can_be_read_back(command, needed, capsys):
    assert main([command, *needed, "--training.epochs", "7", "--explain"]) == 0
    told = capsys.readouterr().out
    content = yaml.safe_load(told)
    lines = told.splitlines()
    keys = [number for number, line in enumerate(lines) if ":" in line and "#" not in line]
    silent = [lines[n] for n in keys if lines[n].startswith(" ") and "#" not in lines[n - 1] and "-" not in lines[n]]
    assert not silent, "settings without a word on what they are"
    cls = SiamFCTraining if command == "train" else DistillConfig
    assert read_recipe(cls, content["training"]) == cls(epochs=7)
    if command == "train":
        assert training_data(content["data"], None, cls()) == training_data({}, None, cls())


# What a training starts from


def test_runs_that_cannot_begin(videos, shards, tmp_path):
    with pytest.raises(DatasetError, match="nothing to train on"):
        train(out=tmp_path / "run")
    with pytest.raises(DatasetError, match="at least one folder"):
        pretrain(random_teacher(tmp_path), out=tmp_path / "pre", device="cpu")
    with pytest.raises(ConfigError, match="'resnet50' see padding"):
        pretrain(random_teacher(tmp_path), out=tmp_path / "pre", shards=shards["video"], student="resnet50")
    with pytest.raises(WeightsError, match="nothing to resume"):
        train(out=tmp_path / "empty", shards=[shards["video"]], resume=True)
    with pytest.raises(ConfigError, match="best needs a validation"):
        train(out=tmp_path / "run", shards=shards["video"], keep="best")
    with pytest.raises(ConfigError, match=r"made3, made4, made5 would be trained on and validated on"):
        train(out=tmp_path / "run", shards=[shards["video"]], validation={"root": str(videos)})
    wrong = tmp_path / "wrong.safetensors"
    save_weights(wrong, backbone("ciresnet22").state_dict(), {})
    with pytest.raises(WeightsError, match="does not fit AlexNet"):
        train(out=tmp_path / "run", shards=[shards["video"]], start=wrong)
    assert not (tmp_path / "run").exists()


def random_teacher(folder: Path) -> Path:
    path = folder / "mobilenet.safetensors"
    save_weights(path, MobileNetV2().state_dict(), {})
    return path


def test_training_goes_on_from_a_whole_tracker(shards, tmp_path):
    start = random_weights(tmp_path / "start.safetensors", provenance={"seed": 99})
    recipe = {"epochs": 1, "steps_per_epoch": 1, "batch_size": 2, "lr": 1e-9, "final_lr": 1e-9, "ema_decay": 0}
    settings = {"workers": 0, "streams": 1}
    train(out=tmp_path / "run", shards=[shards["video"]], data=settings, training=recipe, start=start, device="cpu")
    before, _ = read_weights(start)
    after, metadata = read_weights(tmp_path / "run" / "siamfc.safetensors")
    for name in ("backbone.conv5.0.weight", "correlation.bias"):
        torch.testing.assert_close(after[name], before[name], atol=1e-3, rtol=0)
    assert metadata["provenance"]["start"] == {"seed": 99}


@pytest.mark.slow
def test_minutes_that_are_over_are_told_with_the_command_that_goes_on(shards, tmp_path, capsys):
    settings = {"workers": 0, "streams": 1}
    recipe, out = {"epochs": 2, "steps_per_epoch": 6, "batch_size": 1}, tmp_path / "a run"
    train(out=out, shards=[shards["video"]], data=settings, training=recipe, device="cpu", minutes=1e-4, resume=False)
    over, wrote = capsys.readouterr().out.splitlines()
    assert wrote == f"wrote {out / 'siamfc.safetensors'}"
    said, _, command = over.partition("; the next epoch comes with siam-tracker ")
    assert said == "the 0.0001 minutes were over after 5 of 12 steps"
    assert read_weights(out / "siamfc.safetensors")[1]["provenance"]["steps"] == 5
    assert main([*shlex.split(command), "--minutes", "60"]) == 0
    assert capsys.readouterr().out == f"wrote {out / 'siamfc.safetensors'}\n"
    assert read_weights(out / "siamfc.safetensors")[1]["provenance"]["steps"] == 5 + 6
    assert read_checkpoint(out / "last.ckpt")["global_step"] == 5 + 6


def test_a_loss_on_other_videos_is_told_after_each_epoch(shards, tmp_path):
    recipe = {"epochs": 2, "steps_per_epoch": 1, "batch_size": 2, "lr": 1e-9, "final_lr": 1e-9, "ema_decay": 0}
    recipe["freeze_batch_norm"] = True  # its statistics would change what the network says
    settings = {"workers": 0, "streams": 1, "same_samples": True, "validation_share": 0.5, "validation_samples": 3}
    out = tmp_path / "run"
    train(out=out, shards=[shards["video"]], data=settings, training=recipe, device="cpu")
    with (out / "log" / "metrics.csv").open() as file:
        told = [float(row["validation_loss"]) for row in csv.DictReader(file) if row["validation_loss"]]
    assert len(told) == 2
    assert told[0] == pytest.approx(told[1], rel=1e-3), "the same samples, and weights that hardly changed"


def test_another_trackers_weights_lend_their_backbone(tmp_path):
    donor = trainable("siamfc").build(SiamFCTraining(backbone="alexnet"))
    path = tmp_path / "siamfc.safetensors"
    save_weights(path, donor.network.state_dict(), donor.description())
    torch.manual_seed(1)
    module = trainable("siamrpn").build(SiamRPNTraining(backbone="alexnet"))
    head = {name: tensor.clone() for name, tensor in module.network.head.state_dict().items()}
    start_from(module, path)
    for name, tensor in donor.network.backbone.state_dict().items():
        torch.testing.assert_close(module.backbone.state_dict()[name], tensor.half().to(tensor.dtype))
    for name, tensor in module.network.head.state_dict().items():
        torch.testing.assert_close(tensor, head[name])
    with pytest.raises(WeightsError, match="does not fit"):
        start_from(trainable("siamrpn").build(SiamRPNTraining()), path)
