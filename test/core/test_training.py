"""SiamFC's loss and labels, distillation, calibration, and the commands from shards to a tracker."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from made_network import random_weights

from siam_tracker_core.cli import main
from siam_tracker_core.commands.prepare import prepare
from siam_tracker_core.commands.pretrain import load_teacher, pretrain
from siam_tracker_core.commands.train import train, trainable, training_data
from siam_tracker_core.datasets import Sequence, read_sequences
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import ConfigError, DatasetError, WeightsError
from siam_tracker_core.networks import MobileNetV2, ResNet50, SiamFCNetwork, backbone, cross_correlation
from siam_tracker_core.networks.rpn import HEADS, SiamRPNNetwork
from siam_tracker_core.training.augment import Jitter, Photometry
from siam_tracker_core.training.calibration import Evidence, fit, gather
from siam_tracker_core.training.checkpoints import read_checkpoint
from siam_tracker_core.training.data import ShardData
from siam_tracker_core.training.distill import STUDENT_SIZE, DistillConfig, Lessons
from siam_tracker_core.training.export import start_from
from siam_tracker_core.training.losses import balanced_logistic_loss, response_labels
from siam_tracker_core.training.occlusion import Occlusion
from siam_tracker_core.training.recipe import read_recipe
from siam_tracker_core.training.siamfc import SiamFCModule, SiamFCTraining
from siam_tracker_core.training.siamrpn import SiamRPNTraining
from siam_tracker_core.training.store import CropStore, build_store
from siam_tracker_core.training.teacher import Grid, grid_of, teach
from siam_tracker_core.weights import read_weights, save_weights
from siam_tracker_core.zoo import load_tracker

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "config" / "train").glob("*.yaml"))
UNCHANGED = {"exemplar_view": Jitter(), "photometry": Photometry(0, 0, 0, 0, 0), "occlusion": Occlusion(0, 0)}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Three made sequences in OTB's form."""
    root = tmp_path_factory.mktemp("videos")
    for seed in (3, 4, 5):
        made_sequence(frames=12, size=(320, 240), seed=seed).write_otb_form(root / f"made{seed}")
    return root


@pytest.fixture(scope="module")
def shards(videos, tmp_path_factory):
    """The sequences, and photographs without boxes, prepared."""
    root = tmp_path_factory.mktemp("prepared")
    photographs = root / "photographs"
    photographs.mkdir()
    rng = np.random.default_rng(0)
    for number in range(2):
        noise = rng.integers(0, 255, (20, 26, 3)).astype(np.uint8)
        cv2.imwrite(str(photographs / f"{number}.jpg"), cv2.resize(noise, (260, 200)))
    prepare("folder", videos, root / "video", jobs=1)
    prepare("photographs", photographs, root / "windows", jobs=1)
    return {"video": str(root / "video"), "photographs": str(root / "windows")}


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """One object with alpha, a red disc."""
    folder = tmp_path_factory.mktemp("objects")
    picture = np.zeros((120, 160, 4), np.uint8)
    cv2.ellipse(picture, (70, 60), (40, 20), 0, 0, 360, (0, 0, 255, 255), cv2.FILLED)
    cv2.imwrite(str(folder / "disc.png"), picture)
    return folder


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    save_weights(path, MobileNetV2(last_block=12).state_dict(), {})
    return path


@pytest.fixture(scope="module")
def batch(shards):
    """Four pairs, the second one negative."""
    recipe = SiamFCTraining(batch=4, steps_per_epoch=1)
    data = ShardData(training_data({"workers": 0, "streams": 1}, [shards["video"]], recipe))
    pairs = next(iter(data.loader(epoch=0)))
    pairs["negative"][1] = True
    pairs["search_size"][1] = 0
    return pairs


# SiamFC


def test_labels_of_the_paper():
    labels = response_labels(17, 17, torch.zeros(1, 2), stride=8, radius=16)[0]
    assert labels.sum() == 13  # the reference's 13 cells
    expected = [[abs(8 - r) ** 2 + abs(8 - c) ** 2 <= 4 for c in range(17)] for r in range(17)]
    assert torch.equal(labels, torch.tensor(expected).float())
    moved = response_labels(17, 17, torch.tensor([[16.0, -8.0]]), stride=8, radius=16)[0]
    assert torch.equal(moved, torch.roll(labels, (-1, 2), (0, 1)))


def test_balanced_loss_equals_its_definition():
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 5, 5), (torch.rand(2, 5, 5) < 0.2).float()
    labels[1] = 0
    cell = torch.log1p(torch.exp(-(2 * labels - 1) * logits))  # equation 2
    first = 0.5 * cell[0][labels[0] == 1].mean() + 0.5 * cell[0][labels[0] == 0].mean()
    second = cell[1].mean()
    torch.testing.assert_close(balanced_logistic_loss(logits, labels), (first + second) / 2)
    torch.testing.assert_close(balanced_logistic_loss(logits, labels, torch.tensor([False, True])), second)
    assert balanced_logistic_loss(logits, labels, torch.tensor([False, False])) == 0


def test_training_label_lies_on_the_target(batch):
    """The augmented search image shows the target where the label says: found by matching the exemplar's pixels."""
    recipe = SiamFCTraining(**UNCHANGED, search_view=Jitter(shift=32.0))
    module = SiamFCModule(SiamFCNetwork(backbone("alexnet")), recipe)
    crops = batch["exemplar"][:1].repeat(8, 1, 1, 1)
    sizes = batch["exemplar_size"][:1].repeat(8, 1)
    same = {"exemplar": crops, "search": crops, "exemplar_size": sizes, "search_size": sizes}
    same |= {"negative": torch.zeros(8, dtype=torch.bool), "track": torch.arange(8)}
    pairs = module.augment(same, torch.Generator().manual_seed(0))
    assert pairs.centres.abs().max() > 5
    for patch, image, centre in zip(pairs.exemplars, pairs.searches, pairs.centres, strict=True):
        patch, image = (tensor.permute(1, 2, 0).numpy().astype(np.uint8).copy() for tensor in (patch, image))
        match = cv2.matchTemplate(image, patch[40:-40, 40:-40], cv2.TM_CCOEFF_NORMED)
        row, column = np.unravel_index(match.argmax(), match.shape)
        found = np.array([column, row]) + 47 / 2 - 255 / 2
        np.testing.assert_allclose(found, centre.numpy(), atol=1.0)


def test_loss_is_that_of_pairs_and_of_strangers(batch):
    """Worked out pair by pair; a stranger is the next pair's search image, if it shows a target of another video."""
    recipe = SiamFCTraining(**UNCHANGED, search_view=Jitter(), flip=0.0, strangers=0.5, initial_bias=-1.0)
    torch.manual_seed(1)
    module = SiamFCModule(SiamFCNetwork(backbone("alexnet")), recipe).eval()
    tracks = torch.tensor([7, 8, 8, 9])
    values = module.losses({**batch, "track": tracks}, torch.Generator())
    pairs = module.augment(batch, torch.Generator())
    exemplars, searches = module.network.embed(pairs.exemplars), module.network.embed(pairs.searches)

    def logits(exemplar: int, search: int) -> torch.Tensor:
        response = cross_correlation(exemplars[exemplar : exemplar + 1], searches[search : search + 1])
        return response[0] * 1e-3 - 1.0

    def off(exemplar: int, search: int) -> torch.Tensor:
        return torch.log1p(torch.exp(logits(exemplar, search))).mean()

    label = response_labels(17, 17, torch.zeros(1, 2), 8, 16)
    own = [off(1, 1)] + [balanced_logistic_loss(logits(number, number), label) for number in (0, 2, 3)]
    # 1 with 0 and 0 with 3 count; 2 with 1 shows another's target, 3 with 2 counts too.
    strange = [off(1, 0), off(0, 3), off(3, 2)]
    expected = torch.stack(own).mean() + 0.5 * torch.stack(strange).mean()
    torch.testing.assert_close(values["strangers"], torch.stack(strange).mean())
    torch.testing.assert_close(values["loss"], expected)


def test_gradients_reach_every_weight_and_pictures_are_drawn(batch):
    module = SiamFCModule(SiamFCNetwork(backbone("alexnet")), SiamFCTraining())
    module.losses(batch, torch.Generator().manual_seed(0))["loss"].backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in module.network.parameters())
    with torch.no_grad():
        rows = module.eval().pictures(batch)
    assert [picture.shape for picture in rows[0]] == [(127, 127, 3), (255, 255, 3), (255, 255, 3)]
    assert len(rows) == 4


# Distillation


def test_cells_of_networks_lie_where_their_layers_say():
    assert grid_of(backbone("alexnet"), 255) == Grid(43.0, 8, 22)
    assert grid_of(MobileNetV2(), 320) == Grid(0.0, 8, 40)
    assert grid_of(backbone("vgg16", last="conv4_3"), 320) == Grid(3.5, 8, 40)
    assert grid_of(backbone("ciresnet22"), 255).cells == 21


@pytest.mark.parametrize("name", ["alexnet", "ciresnet22", "ciresinception22"])
def test_cells_are_centred_on_what_they_see(name):
    """The pixels on which a cell depends, found by its gradient, lie around the cell's centre."""
    torch.manual_seed(0)
    network = backbone(name).eval()
    grid, cell = grid_of(network, STUDENT_SIZE), 9
    images = torch.zeros(1, 3, STUDENT_SIZE, STUDENT_SIZE, dtype=torch.float64, requires_grad=True)
    for layer in network.modules():  # no maximum and no threshold may hide a pixel
        if isinstance(layer, torch.nn.MaxPool2d):
            layer.forward = torch.nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding).forward
        if isinstance(layer, torch.nn.ReLU):
            layer.forward = lambda features: features + 0
    network.double()(images)[0, :, cell, cell].sum().backward()
    seen = torch.nonzero(images.grad.abs().sum(dim=(0, 1, 2))).flatten()
    assert float(seen[0] + seen[-1]) / 2 == grid.first + grid.stride * cell
    assert int(seen[-1] - seen[0]) + 1 == network.receptive_field


DISTILLED = {"alexnet": "siamfc", "ciresnet22": "siamfc_ciresnet22", "ciresinception22": "siamfc_ciresinception22"}


@pytest.mark.parametrize("student", DISTILLED)
def test_vectors_of_distilled_students_suit_the_correlation(student):
    """A perfect student's exemplar has the same response to itself in all networks: near three times the bias."""
    folder = CONFIGS[0].parent
    distil = read_recipe(DistillConfig, yaml.safe_load((folder / f"distil_{student}.yaml").read_text())["training"])
    content = yaml.safe_load((folder / f"{DISTILLED[student]}.yaml").read_text())
    recipe = read_recipe(SiamFCTraining, content["training"])
    assert recipe.backbone == student
    network = SiamFCNetwork(backbone(student), recipe.gain)
    cells = grid_of(network.backbone, 127).cells
    vectors = torch.nn.functional.normalize(torch.randn(1, network.backbone.out_channels, cells, cells), dim=1)
    vectors = vectors * distil.cell_norm
    response = network.correlation.gain * cross_correlation(vectors, vectors)
    assert float(response) == pytest.approx(9.2, abs=0.05)


@pytest.mark.parametrize(("first", "name"), [(0, "alexnet"), (3.5, "alexnet"), (0, "vgg_m"), (3.5, "vgg_m")])
def test_lessons_show_the_cells_of_both_networks_at_the_same_pixels(tmp_path, first, name):
    """Features that hold the pixel under their own centre must equal the pixels under the student's centres."""
    side = 320
    pixels = np.zeros((1, side, side, 3), np.uint8)
    pixels[0, ..., 0] = np.arange(side)[None, :] % 251
    pixels[0, ..., 1] = np.arange(side)[:, None] % 251
    np.save(tmp_path / "crops.npy", pixels)
    crop = {"source": "unlabelled", "track": "a", "frame": 0, "width": 0, "height": 0}
    (tmp_path / "index.json").write_text(json.dumps({"format": 2, "crops": [crop]}))
    offset = int(first)
    features = pixels[:, offset::8, offset::8, :2].transpose(0, 3, 1, 2).astype(np.float16)
    student = grid_of(backbone(name), STUDENT_SIZE)
    lessons = Lessons(CropStore(tmp_path), features, Grid(first, 8, side // 8), student, seed=0)
    middle, every, cells = int(student.first), student.stride, student.cells
    mirrored = 0
    for lesson in (lessons[number] for number in range(40)):
        assert lesson["pixels"].shape == (STUDENT_SIZE, STUDENT_SIZE, 3)
        under = lesson["pixels"][middle::every, middle::every, :2][:cells, :cells].permute(2, 0, 1).int()
        # Mirrored, the pixel left of a centre between two pixels becomes the one right of it.
        assert (under - lesson["features"].int()).abs().max() <= (0 if first == 0 else 1)
        mirrored += bool(lesson["pixels"][0, 0, 0] > lesson["pixels"][0, 4, 0])
    assert 5 < mirrored < 35


def test_lessons_that_cannot_be(shards, tmp_path):
    store = build_store(tmp_path, [shards["photographs"]])
    features = np.zeros((len(store), 4, 40, 40), np.float16)
    with pytest.raises(ConfigError, match="must be a multiple"):
        Lessons(store, features, Grid(0, 16, 20), Grid(43, 8, 22), 0)
    assert len(Lessons(store, features, Grid(0, 8, 40), Grid(43, 8, 22), 0)[5]["features"]) == 4


@pytest.fixture(scope="module")
def store(shards, tmp_path_factory):
    return build_store(tmp_path_factory.mktemp("store"), [shards["photographs"]])


def test_teachers_features_are_standardised_and_kept(store, teacher):
    network = load_teacher(teacher)
    features = teach(store, network, torch.device("cpu"), 256, "one", batch=4)
    values = features.astype(np.float32).transpose(1, 0, 2, 3).reshape(64, -1)
    np.testing.assert_allclose(values.mean(axis=1), 0, atol=0.05)
    np.testing.assert_allclose(values.std(axis=1), 1, atol=0.05)
    image = torch.from_numpy(np.array(store.pixels[3:4])).permute(0, 3, 1, 2).flip(1).float()
    with torch.inference_mode():
        asked = network(image)[0].flatten(1).numpy()
    for channel in range(0, 64, 9):  # standardising changes origin and unit only
        assert np.corrcoef(asked[channel], features[3, channel].ravel().astype(np.float32))[0, 1] > 0.99
    stamp = (store.folder / "teacher.npy").stat().st_mtime_ns
    teach(store, network, torch.device("cpu"), 256, "one")
    assert (store.folder / "teacher.npy").stat().st_mtime_ns == stamp
    teach(store, network, torch.device("cpu"), 256, "another")
    assert (store.folder / "teacher.npy").stat().st_mtime_ns != stamp


def test_wide_teachers_are_reduced_to_their_principal_components(store, teacher):
    """Against scikit-learn's PCA of the standardised features of all crops."""
    from sklearn.decomposition import PCA

    network = load_teacher(teacher)
    whole = teach(store, network, torch.device("cpu"), 64, "whole", batch=4).astype(np.float32)
    small = teach(store, network, torch.device("cpu"), 5, "small", batch=4).astype(np.float32)
    assert small.shape == (len(store), 5, 40, 40)
    cells = whole.transpose(0, 2, 3, 1).reshape(-1, 64)
    expected = PCA(5, svd_solver="full").fit(cells).transform(cells)
    for number in range(5):
        got = small[:, number].ravel()
        assert abs(np.corrcoef(got, expected[:, number])[0, 1]) > 0.99
        assert got.std() == pytest.approx(expected[:, number].std(), rel=0.02)


def test_published_classifiers_teach(tmp_path):
    """ResNet-50 under torchvision's names, its last stage and classifier left out."""
    torch.manual_seed(0)
    whole = ResNet50(last_layer=4)
    state = {**whole.state_dict(), "fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}
    torch.save(state, tmp_path / "resnet50.pth")
    network = load_teacher(tmp_path / "resnet50.pth", "torchvision-resnet50")
    assert (network.stride, network.out_channels) == (8, 1024)
    assert torch.equal(network.state_dict()["layer3.5.conv2.weight"], whole.state_dict()["layer3.5.conv2.weight"])
    with pytest.raises(ConfigError, match="no kind of checkpoint"):
        load_teacher(tmp_path / "resnet50.pth", "resnet")


# Calibration


def test_calibration_separates_what_can_be_separated():
    rng = np.random.default_rng(0)
    right = rng.random(400) < 0.5
    values = rng.normal(size=(400, 2)) + np.where(right, 2.0, -2.0)[:, None]
    calibration, area = fit(Evidence(values, right))
    scores = np.array([calibration.score(*row) for row in values])
    assert area > 0.99
    assert np.mean((scores > 0.5) == right) > 0.97
    with pytest.raises(DatasetError, match=r"in 400 of 400 looks, and evidence of both kinds"):
        fit(Evidence(values, np.ones(400, dtype=bool)))


def test_calibration_of_proposals(videos, tmp_path, monkeypatch, capsys):
    """A tracker with random weights: it looks, and its evidence is of the kind that calibration wants."""
    torch.manual_seed(0)
    features = backbone("alexnet_wide")
    network = SiamRPNNetwork(features, HEADS["depthwise"](features.out_channels, 5, 16))
    told = {"backbone": "alexnet_wide", "head": "depthwise", "hidden": 16}
    weights = tmp_path / "rpn.safetensors"
    save_weights(weights, network.state_dict(), {"tracker": "siamrpn", "network": told, "config": {}})
    tracker = load_tracker(weights, "cpu", config={"lost": {"enabled": False}})
    evidence = gather(tracker, read_sequences(videos), every=4)
    assert evidence.values.shape == (len(evidence.right), 2)
    assert np.isfinite(evidence.values).all()
    # 11 frames of 3 sequences, and looks beside the target and into other videos in frames 4 and 8.
    assert 3 * 2 <= (~evidence.right).sum() <= 3 * (11 + 2 * 2)
    evidence = Evidence(evidence.values, np.arange(len(evidence.right)) % 2 == 0)
    calibration, _ = fit(evidence)
    with monkeypatch.context() as patch:
        patch.setattr("siam_tracker_core.commands.calibrate.gather", lambda *_: evidence)
        assert main(["calibrate", str(weights), str(videos), "--device", "cpu"]) == 0
    assert load_tracker(weights, "cpu").config.calibration == calibration
    assert main(["calibrate", str(weights), str(videos), "--out", "/proc/no/w.safetensors", "--device", "cpu"]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_calibration_needs_a_target_to_begin_with(tmp_path):
    rows = np.array([[np.nan] * 4, [1.0, 2, 3, 4]])
    absent = Sequence("late", (tmp_path / "0.jpg", tmp_path / "1.jpg"), rows)
    with pytest.raises(DatasetError, match="late cannot be tracked: its first frame has no target"):
        gather(None, [absent])


# The commands


def crash_in_second_epoch(self, trainer, *_):
    if trainer.current_epoch == 1:
        raise SystemExit("as if the machine went down")


def test_commands_from_distillation_to_a_tracker(videos, shards, objects, teacher, tmp_path, monkeypatch):
    """Two steps of each, interrupted and resumed, validated, ending in a file that tracks."""
    tiny = {"epochs": 2, "steps_per_epoch": 1, "batch": 2}
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
    assert content["training"]["search_view"] == {"shift": 32.0, "scale": 0.06, "stretch": 0.05}
    again = read_recipe(SiamFCTraining, content["training"])
    assert again == replace(SiamFCTraining(), **tiny)


def make_small(content: dict, shards: dict, videos: Path, objects: Path, folder: Path) -> dict:
    """A configuration with two steps of two samples on made data."""
    content = json.loads(json.dumps(content))
    training = content.setdefault("training", {})
    training |= {"epochs": 1, "steps_per_epoch": 2, "batch": 2, "accumulation": 1, "warm_up": {"steps": 1}}
    if "tracker" not in content:
        return content | {"shards": [shards["photographs"]], "workers": 0}
    data = content.setdefault("data", {})
    data |= {"sources": [{"path": shards["video"]}], "workers": 0, "streams": 1, "held_out": ["made5"]}
    for settings in data.values():
        if isinstance(settings, dict) and "cutouts" in settings:
            settings["cutouts"] = str(objects)
    if content["tracker"] == "mdnet":  # the first frame alone has thousands of patches
        data["domains"] = {"frames": 2, "positives": 4, "negatives": 8}
        training |= {"negatives": 4, "domains": 16}
        few = {
            "init_positives": 8,
            "init_negatives": 16,
            "init_rounds": 2,
            "update_positives": 4,
            "update_negatives": 8,
        }
        training["tracking"] = {"candidates": 8, "regression_samples": 8, "classifier": few | {"hard_pool": 16}}
    content["validation"] = {"root": str(videos), "names": ["made5"], "frames": 2}
    if data.get("kind", "pairs") == "pairs":
        content["objects"] = str(objects)
    if "start" in content:
        kind = trainable(content["tracker"])
        content["start"] = str(folder / "start.safetensors")
        fresh = kind.build(read_recipe(kind.recipe_class, training))
        save_weights(content["start"], fresh.backbone.state_dict(), {})
    return content


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_every_configuration_trains(path, shards, videos, objects, teacher, tmp_path):
    content = make_small(yaml.safe_load(path.read_text()), shards, videos, objects, tmp_path)
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(content))
    command, weights = ("train", content["tracker"]) if "tracker" in content else ("pretrain", "backbone")
    teachers = [] if command == "train" else [str(teacher)]
    out = tmp_path / "run"
    options = ["--config", str(tmp_path / "small.yaml"), "--out", str(out), "--device", "cpu"]
    assert main([command, *options, *teachers]) == 0
    state, metadata = read_weights(out / f"{weights}.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in state.values())
    assert metadata["provenance"]["steps"] == 2
    assert list((out / "pictures").iterdir())


def test_command_line_goes_before_the_file(shards, tmp_path, capsys):
    file = tmp_path / "small.yaml"
    content = {"tracker": "siamfc", "data": {"workers": 0, "streams": 1}, "training": {"epochs": 9, "batch": 2}}
    file.write_text(yaml.safe_dump(content))
    options = ["--config", str(file), "--out", str(tmp_path / "run"), f"--shards=[{shards['video']}]"]
    assert main(["train", *options, "--training.epochs=1", "--training.steps_per_epoch=1"]) == 0
    told = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (told["training"]["epochs"], told["training"]["batch"]) == (1, 2)
    assert told["data"]["sources"] == [{"path": shards["video"], "weight": 1.0, "share": 1.0}]
    for wrong, words in (
        ({"training": {"epoch": 3}}, "training: epoch: there is no such setting"),
        ({"data": {"batch": 3}}, "data.batch is a setting of the training"),
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


def test_the_trackers_settings_validate_and_stay_with_the_weights(tmp_path):
    recipe = read_recipe(SiamFCTraining, {"tracking": {"scale_step": 1.1, "scale_limits": [0.5, 2.0]}})
    module = SiamFCModule.build(recipe)
    assert module.tracker(copy.deepcopy(module.network)).model.config.scale_step == 1.1
    save_weights(tmp_path / "w.safetensors", module.network.state_dict(), module.description())
    config = load_tracker(tmp_path / "w.safetensors", "cpu").config
    assert config == replace(recipe.tracking, lost=config.lost)
    assert config.lost.enabled


def test_runs_that_cannot_begin(videos, shards, tmp_path):
    with pytest.raises(DatasetError, match="nothing to train on"):
        train(out=tmp_path / "run")
    with pytest.raises(DatasetError, match="at least one folder"):
        pretrain(random_teacher(tmp_path), out=tmp_path / "pre", device="cpu")
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
    recipe = {"epochs": 1, "steps_per_epoch": 1, "batch": 2, "first_rate": 1e-9, "last_rate": 1e-9, "average": 0}
    settings = {"workers": 0, "streams": 1}
    train(out=tmp_path / "run", shards=[shards["video"]], data=settings, training=recipe, start=start, device="cpu")
    before, _ = read_weights(start)
    after, metadata = read_weights(tmp_path / "run" / "siamfc.safetensors")
    for name in ("backbone.conv5.0.weight", "correlation.bias"):
        torch.testing.assert_close(after[name], before[name], atol=1e-3, rtol=0)
    assert metadata["provenance"]["start"] == {"seed": 99}


def test_distillation_keeps_the_papers_of_its_recipe():
    recipe = read_recipe(DistillConfig, {"first_rate": 1e-3})
    assert (recipe.optimiser, recipe.decay, recipe.last_rate, recipe.average) == ("adamw", "cosine", 0.0, 0.0)


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
