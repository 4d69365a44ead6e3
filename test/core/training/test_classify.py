"""Pre-training on classes: what is learned from, how it is validated, and what comes of it."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest
import torch

from siam_tracker_core.cli import main
from siam_tracker_core.commands.pretrain import pretrain, unpadded
from siam_tracker_core.commands.train import trainable
from siam_tracker_core.datasets.classes import read_classes
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.training.classify import Images, Middles, random_part
from siam_tracker_core.training.engine.export import start_from
from siam_tracker_core.training.siamfc import SiamFCTraining
from siam_tracker_core.weights import read_weights

QUICK = {"steps_per_epoch": 15, "batch_size": 4, "image_size": 96, "optimiser": "adamw", "lr": 1e-3, "epochs": 1}


def test_a_backbone_learns_two_classes_and_begins_a_training(classes, tmp_path, capsys):
    torch.manual_seed(0)
    out = tmp_path / "run"
    options = {"student": "alexnet_owt", "workers": 0, "device": "cpu"}
    pretrain(classes, out, training={**QUICK, "precision": "single"}, **options)
    state, metadata = read_weights(out / "backbone.safetensors")
    assert metadata["network"] == {"backbone": "alexnet_owt"}
    assert metadata["validation"]["top1"] == 1.0
    assert "top-1 accuracy 1.0000 on 6 pictures" in capsys.readouterr().out
    assert metadata["provenance"]["data"] == {"folder": classes.name, "pictures": 8, "classes": 2}
    module = trainable("siamfc").build(SiamFCTraining(backbone="alexnet_owt"))
    start_from(module, out / "backbone.safetensors")
    for name, tensor in module.backbone.state_dict().items():
        torch.testing.assert_close(tensor, state[name])


def test_samples_are_functions_of_their_number_and_cover_all_pictures(classes):
    train, val = read_classes(classes)
    assert train.classes == ("n01_blue", "n02_red")
    samples = Images(train, 64, 0.08, seed=1)
    first = [samples[number] for number in range(8)]
    assert sorted(sample["label"] for sample in first) == [0] * 4 + [1] * 4
    assert torch.equal(Images(train, 64, 0.08, seed=1)[5]["pixels"], first[5]["pixels"])
    assert not torch.equal(samples[8 + 5]["pixels"], first[5]["pixels"])
    for sample in first:
        blue, _, red = sample["pixels"].float().mean(dim=(0, 1))
        assert (red > blue) == bool(sample["label"])
    middle = Middles(val, 70)[0]["pixels"]
    picture = cv2.imread(str(val.paths[0]))  # 90 x 110: 224 of 256 of the shorter side are 79 pixels
    expected = cv2.resize(picture[5:84, 15:94], (70, 70), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(middle.numpy(), expected)


def test_parts_have_the_area_and_proportions_that_were_asked_for():
    rng, picture = np.random.default_rng(0), np.zeros((200, 300, 3), np.uint8)
    shapes = np.array([random_part(picture, 0.2, rng).shape[:2] for _ in range(200)])
    areas, ratios = shapes.prod(axis=1) / (200 * 300), shapes[:, 1] / shapes[:, 0]
    assert 0.19 < areas.min() < 0.3 < 0.6 < areas.max() <= 1
    assert 0.74 < ratios.min() < 0.85 < 1.2 < ratios.max() < 1.35
    assert random_part(np.zeros((10, 200, 3), np.uint8), 1.0, rng).shape == (10, 10, 3), "nothing else fits"


def test_folders_that_are_not_right(classes, tmp_path, capsys):
    root = tmp_path / "classes"
    shutil.copytree(classes, root)
    (root / "val" / "n02_red").rename(root / "val" / "n03_green")
    assert main(["pretrain", str(root), "--out", str(tmp_path / "run")]) == 1
    assert "have other classes: n02_red, n03_green is in one of them only" in capsys.readouterr().err
    shutil.rmtree(root / "val")
    with pytest.raises(DatasetError, match=r"val has no folder of a class; expected train and val, each with"):
        read_classes(root)
    for picture in (root / "train" / "n01_blue").iterdir():
        picture.unlink()
    with pytest.raises(DatasetError, match=r"n01_blue holds no image"):
        read_classes(root)
    with pytest.raises(ConfigError, match="'resnet33' cannot be distilled"):
        unpadded("resnet33", {"receptive_field": 91})
