"""The loss of the distillation against squared differences, and lessons against the pixels that they show."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch.nn import functional

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks import MobileNetV2, SiamFCNetwork, backbone, cross_correlation
from siam_tracker_core.training.data.crop_store import CropStore, build_store
from siam_tracker_core.training.distill import STUDENT_SIZE, DistillConfig, Lessons, difference
from siam_tracker_core.training.engine.recipe import read_recipe
from siam_tracker_core.training.siamfc import SiamFCTraining
from siam_tracker_core.training.teacher import Grid, grid_of

CONFIGS = sorted((Path(__file__).resolve().parents[3] / "config" / "train").glob("*.yaml"))


# The loss


def cells(seed: int, length: float) -> torch.Tensor:
    values = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return functional.normalize(values, dim=1) * length


def test_vectors_of_the_right_length_are_compared_by_squares():
    answer, target = cells(0, 1.92), cells(1, 1.92)
    torch.testing.assert_close(difference(answer, target), functional.mse_loss(answer, target))
    assert difference(target, target) < 1e-12


def test_near_the_target_it_is_the_squared_difference_but_for_the_common_length():
    target = cells(1, 4.0)
    answer = target + 1e-3 * cells(2, 4.0)
    common = (answer.norm(dim=1) / 4.0).log().mean().exp()
    torch.testing.assert_close(
        difference(answer, target), functional.mse_loss(answer / common, target), rtol=3e-3, atol=0
    )


def test_the_common_length_of_the_answers_does_not_matter():
    """Not for the value, nor for the pull relative to the length."""
    target = cells(1, 2.0)

    def pull(factor: float) -> tuple[torch.Tensor, torch.Tensor]:
        answer = ((cells(0, 1.0) + 0.3 * cells(3, 1.0)) * factor).requires_grad_()
        value = difference(answer, target)
        return value.detach(), torch.autograd.grad(value, answer)[0] * factor

    for one, other in zip(pull(60.0), pull(2.0), strict=True):
        torch.testing.assert_close(one, other)


# Cells and lessons


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


# The recipes


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


def test_distillation_keeps_the_papers_of_its_recipe():
    recipe = read_recipe(DistillConfig, {"lr": 1e-3})
    assert (recipe.optimiser, recipe.lr_schedule, recipe.final_lr, recipe.ema_decay) == ("adamw", "cosine", 0.0, 0.0)
