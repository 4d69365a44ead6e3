"""Crop stores, distillation, pairs, losses, and two-step runs of the commands."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
from made_network import random_weights

from siam_tracker_core.commands.pretrain import pretrain
from siam_tracker_core.commands.train import train
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import DatasetError, WeightsError
from siam_tracker_core.geometry import Window
from siam_tracker_core.networks import MobileNetV2, SiamFCNetwork, backbone
from siam_tracker_core.training.augment import Photometry, recolour, resample
from siam_tracker_core.training.calibration import Evidence, fit
from siam_tracker_core.training.cutouts import CutOuts
from siam_tracker_core.training.distill import STUDENT_SIZE, DistillConfig, Lessons
from siam_tracker_core.training.losses import balanced_logistic_loss, response_labels
from siam_tracker_core.training.pairs import Pairs
from siam_tracker_core.training.siamfc import SiamFCModule, SiamFCTraining
from siam_tracker_core.training.store import CROP_SIZE, EXEMPLAR_SIZE, CropStore, StoreSources, build_store, cut
from siam_tracker_core.weights import read_weights, save_weights
from siam_tracker_core.zoo import load_tracker


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Two made videos, photographs with boxes in COCO's form, one of them broken, and photographs without boxes."""
    root = tmp_path_factory.mktemp("sources")
    for seed in (3, 4):
        made_sequence(frames=6, size=(320, 240), seed=seed).write_otb_form(root / "videos" / f"made{seed}")
    stills = root / "stills" / "images"
    stills.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(3):
        cv2.imwrite(str(stills / f"{number}.jpg"), rng.integers(0, 255, (200, 260, 3)).astype(np.uint8))
    (stills / "2.jpg").write_bytes(b"not an image")
    content = {
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": 260, "height": 200} for n in range(3)],
        "annotations": [
            {"id": 1, "image_id": 0, "bbox": [50, 60, 40, 30], "iscrowd": 0},
            {"id": 2, "image_id": 0, "bbox": [5, 5, 3, 3], "iscrowd": 0},
            {"id": 3, "image_id": 1, "bbox": [100, 50, 60, 60], "iscrowd": 0},
            {"id": 4, "image_id": 1, "bbox": [10, 50, 60, 60], "iscrowd": 1},
            {"id": 5, "image_id": 2, "bbox": [10, 50, 60, 60], "iscrowd": 0},
        ],
    }
    (root / "stills" / "instances.json").write_text(json.dumps(content))
    return StoreSources(root / "videos", root / "stills", root / "stills" / "images")


@pytest.fixture(scope="module")
def store(sources, tmp_path_factory):
    return build_store(tmp_path_factory.mktemp("store"), StoreSources(sources.videos, sources.stills))


def test_store_keeps_targets_in_the_middle_at_one_scale(store, sources):
    kinds = [crop.source for crop in store.index]
    assert kinds.count("still") == 2  # too small, crowd and broken are left out
    assert kinds.count("video") >= 10
    for crop in store.index:
        margin = (crop.width + crop.height) / 2
        assert np.sqrt((crop.width + margin) * (crop.height + margin)) == pytest.approx(EXEMPLAR_SIZE)
    assert CropStore(store.folder).index == store.index


def test_store_without_anything_to_learn_from(sources, tmp_path):
    with pytest.raises(DatasetError, match="at least one of"):
        build_store(tmp_path / "a", StoreSources())
    with pytest.raises(DatasetError, match="nowhere"):
        build_store(tmp_path / "b", StoreSources(tmp_path / "nowhere"))
    with pytest.raises(DatasetError, match="held-out"):
        build_store(tmp_path / "c", StoreSources(sources.videos, held_out=("ghost",)))
    with pytest.raises(DatasetError, match="not a crop store"):
        CropStore(tmp_path)


def test_cut_shows_the_window():
    image = np.zeros((100, 100, 3), np.uint8)
    image[40:60, 40:60] = 255
    for size in (10, 40, 80):
        crop = cut(image, Window(50, 50, 40), size)[..., 0]
        inside = crop[size // 4 + 1 : -size // 4 - 1, size // 4 + 1 : -size // 4 - 1]
        assert (inside > 250).all()
        assert crop[0].max() < 30


def test_lessons_show_the_cells_of_both_networks_at_the_same_pixels(tmp_path):
    """Features that hold the pixel under their own centre must equal the pixels under the student's centres."""
    cells = CROP_SIZE // 8
    pixels = np.zeros((1, CROP_SIZE, CROP_SIZE, 3), np.uint8)
    pixels[0, ..., 0] = np.arange(CROP_SIZE)[None, :] % 251
    pixels[0, ..., 1] = np.arange(CROP_SIZE)[:, None] % 251
    np.save(tmp_path / "crops.npy", pixels)
    crop = {"source": "unlabelled", "track": "a", "frame": 0, "width": 0, "height": 0}
    (tmp_path / "index.json").write_text(json.dumps({"format": 1, "crops": [crop]}))
    features = pixels[:, ::8, ::8, :2].transpose(0, 3, 1, 2).astype(np.float16)
    assert features.shape == (1, 2, cells, cells)
    student = backbone("alexnet")
    lessons = Lessons(CropStore(tmp_path), features, student.stride, student.receptive_field, 40, seed=0)
    middle = (student.receptive_field - 1) // 2
    mirrored = 0
    for lesson in (lessons[number] for number in range(40)):
        assert lesson["pixels"].shape == (STUDENT_SIZE, STUDENT_SIZE, 3)
        under = lesson["pixels"][middle::8, middle::8, :2][:22, :22].permute(2, 0, 1)
        assert torch.equal(under.half(), lesson["features"])
        mirrored += bool(lesson["pixels"][0, 0, 0] > lesson["pixels"][0, 4, 0])
    assert 5 < mirrored < 35


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
    expected = (first + cell[1].mean()) / 2
    torch.testing.assert_close(balanced_logistic_loss(logits, labels), expected)


def test_resample_without_change_is_the_middle():
    crops = torch.randint(0, 255, (2, 40, 40, 3), dtype=torch.uint8)
    no = torch.zeros(2, 2)
    still = resample(crops, 20, no, no + 1, torch.tensor([False, True]))
    torch.testing.assert_close(still[0], crops[0, 10:30, 10:30].permute(2, 0, 1).float(), atol=1e-2, rtol=0)
    torch.testing.assert_close(still[1], crops[1, 10:30, 10:30].flip(1).permute(2, 0, 1).float(), atol=1e-2, rtol=0)
    moved = resample(crops, 20, no + torch.tensor([3.0, -2.0]), no + 1, torch.tensor([False, False]))
    torch.testing.assert_close(moved[0], crops[0, 8:28, 13:33].permute(2, 0, 1).float(), atol=1e-2, rtol=0)


def test_recolouring_repeats_and_stays_in_range():
    images = torch.rand(6, 3, 32, 32) * 255
    settings = Photometry(blur=0.9, grey=0.5)
    first, second = (recolour(images, settings, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.min() >= 0
    assert first.max() <= 255
    same = recolour(images, Photometry(0, 0, 0, 0, 0), torch.Generator().manual_seed(5))
    torch.testing.assert_close(same, images, atol=1e-3, rtol=0)


def test_pairs_repeat_and_keep_to_their_track(store):
    pairs, again = Pairs(store, 50, seed=1), Pairs(store, 50, seed=1)
    for number in range(50):
        assert all(torch.equal(pairs[number][key], again[number][key]) for key in ("exemplar", "search"))
    held_out = Pairs(store, 50, seed=1, held_out=("made3",))
    assert len(held_out.tracks) == len(pairs.tracks) - 1


@pytest.fixture
def cutouts(tmp_path):
    """One object with alpha, a red disc of 80x40 pixels, and a picture without alpha."""
    picture = np.zeros((120, 160, 4), np.uint8)
    cv2.ellipse(picture, (70, 60), (40, 20), 0, 0, 360, (0, 0, 255, 255), cv2.FILLED)
    cv2.imwrite(str(tmp_path / "disc.png"), picture)
    cv2.imwrite(str(tmp_path / "plain.png"), picture[..., :3])
    return tmp_path


def test_cut_out_pairs_have_the_object_in_the_middle_at_the_exemplars_scale(store, cutouts):
    objects = CutOuts(cutouts)
    assert len(objects) == 1
    for seed in range(5):
        exemplar, search = objects.pair(store, np.random.default_rng(seed))
        assert exemplar.shape == search.shape == (CROP_SIZE, CROP_SIZE, 3)
        red = (exemplar[..., 2] > 240) & (exemplar[..., :2] < 15).all(axis=-1)
        rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
        width, height = columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1
        assert (columns.mean(), rows.mean()) == pytest.approx((CROP_SIZE / 2, CROP_SIZE / 2), abs=3)
        assert np.sqrt((width * 1.5 + height / 2) * (height * 1.5 + width / 2)) == pytest.approx(127, rel=0.08)


def test_cut_outs_make_up_their_share_of_the_pairs(store, cutouts):
    only = Pairs(store, 10, seed=1, cutouts=CutOuts(cutouts), cutout_share=1.0)
    assert all((only[number]["exemplar"][155:165, 155:165, 2] > 240).all() for number in range(10))


def test_folders_without_cut_outs(tmp_path):
    with pytest.raises(DatasetError, match="no PNG file with alpha"):
        CutOuts(tmp_path)
    with pytest.raises(DatasetError, match="not a folder"):
        CutOuts(tmp_path / "nowhere")


def test_training_label_lies_on_the_target(store):
    """The augmented search image shows the target where the label says: found by matching the exemplar's pixels."""
    config = SiamFCTraining(
        photometry=Photometry(0, 0, 0, 0, 0), scale=0, stretch=0, exemplar_shift=0, exemplar_scale=0
    )
    module = SiamFCModule(SiamFCNetwork(backbone("alexnet")), config)
    video = next(number for number, crop in enumerate(store.index) if crop.source == "video")
    crop = torch.from_numpy(np.array(store.pixels[video]))[None].repeat(8, 1, 1, 1)
    exemplar, search, centres = module._augment({"exemplar": crop, "search": crop}, torch.Generator().manual_seed(0))
    assert centres.abs().max() > 5
    for patch, image, centre in zip(exemplar, search, centres, strict=True):
        patch, image = (tensor.permute(1, 2, 0).numpy().astype(np.uint8).copy() for tensor in (patch, image))
        match = cv2.matchTemplate(image, patch[40:-40, 40:-40], cv2.TM_CCOEFF_NORMED)
        row, column = np.unravel_index(match.argmax(), match.shape)
        found = np.array([column, row]) + 47 / 2 - 255 / 2
        np.testing.assert_allclose(found, centre.numpy(), atol=1.0)


def test_gradients_reach_every_weight(store):
    module = SiamFCModule(SiamFCNetwork(backbone("alexnet")), SiamFCTraining())
    batch = torch.utils.data.default_collate([Pairs(store, 4)[number] for number in range(4)])
    module.log = lambda *_, **__: None
    module._trainer = None
    type(module).global_step = property(lambda self: 0)
    try:
        module.training_step(batch, 0).backward()
    finally:
        del type(module).global_step
    assert all(parameter.grad.abs().sum() > 0 for parameter in module.network.parameters())


def test_calibration_separates_what_can_be_separated():
    rng = np.random.default_rng(0)
    right = rng.random(400) < 0.5
    values = rng.normal(size=(400, 2)) + np.where(right, 2.0, -2.0)[:, None]
    calibration, area = fit(Evidence(values, right))
    scores = np.array([calibration.score(*row) for row in values])
    assert area > 0.99
    assert np.mean((scores > 0.5) == right) > 0.97
    with pytest.raises(ValueError, match="both kinds"):
        fit(Evidence(values, np.ones(400, dtype=bool)))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    save_weights(path, MobileNetV2(last_block=12).state_dict(), {})
    return path


def stop_in_second_epoch(module):
    if module.current_epoch == 1:
        raise SystemExit("as if the machine went down")


def test_commands_from_distillation_to_a_tracker(sources, teacher, tmp_path, monkeypatch):
    """Two steps of each, interrupted and resumed, ending in a file that tracks."""
    distil = DistillConfig(epochs=2, steps_per_epoch=1, batch=2)
    where = {"videos": sources.videos, "stills": sources.stills, "store": tmp_path / "store", "workers": 0}
    pretrain(teacher, tmp_path / "pre", unlabelled=sources.unlabelled, distillation=distil, device="cpu", **where)
    _, provenance = read_weights(tmp_path / "pre" / "backbone.safetensors")
    assert provenance["steps"] == 2

    start = tmp_path / "pre" / "backbone.safetensors"
    longer = SiamFCTraining(epochs=2, steps_per_epoch=1, batch=2)
    with monkeypatch.context() as patch:
        patch.setattr(SiamFCModule, "on_train_epoch_start", stop_in_second_epoch)
        with pytest.raises(SystemExit):
            train(tmp_path / "run", start=start, training=longer, device="cpu", **where)
    with pytest.raises(WeightsError, match="--resume"):
        train(tmp_path / "run", start=start, training=longer, device="cpu", **where)
    train(tmp_path / "run", start=start, training=longer, device="cpu", resume=True, **where)
    state, metadata = read_weights(tmp_path / "run" / "siamfc.safetensors")
    train(tmp_path / "whole", start=start, training=longer, device="cpu", **where)
    uninterrupted, _ = read_weights(tmp_path / "whole" / "siamfc.safetensors")
    assert all(torch.equal(state[name], uninterrupted[name]) for name in state)
    assert metadata["provenance"]["steps"] == 2
    assert metadata["provenance"]["start"]["method"] == "distillation"
    tracker = load_tracker(tmp_path / "run" / "siamfc.safetensors", device="cpu")
    images = made_sequence(frames=3, size=(320, 240), seed=3)
    tracker.init(images.frames[0], images.boxes[0])
    assert tracker.update(images.frames[1]).box.width > 1


def test_nothing_to_resume(tmp_path):
    with pytest.raises(WeightsError, match="nothing to resume"):
        train(tmp_path / "empty", resume=True)


def test_weights_of_another_network_are_refused(sources, tmp_path):
    wrong = random_weights(tmp_path / "wrong.safetensors")
    with pytest.raises(WeightsError, match="does not fit AlexNet"):
        train(tmp_path / "run", sources.videos, store=tmp_path / "store", start=wrong, workers=0, device="cpu")
