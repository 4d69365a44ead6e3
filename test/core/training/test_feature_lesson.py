"""The lesson by an encoder's features: what it asks, of whom, and when the student hears it."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.training.siamfc import SiamFCModule, SiamFCTraining
from siam_tracker_core.training.teacher import Grid
from siam_tracker_core.training.teaching.features import FeatureLesson, FeatureTeaching, View, at_cells

CHANNELS = 256


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An encoder that takes the mean of 16x16 pixels, and tells red, green and blue again and again in 256 channels."""
    pool = helper.make_node("AveragePool", ["image"], ["mean"], kernel_shape=[16, 16], strides=[16, 16])
    order = helper.make_tensor("order", TensorProto.INT64, [CHANNELS], [place % 3 for place in range(CHANNELS)])
    gather = helper.make_node("Gather", ["mean", "order"], ["features"], axis=1)
    shapes = {"image": [1, 3, "H", "W"], "features": [1, CHANNELS, "h", "w"]}
    image, features = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    graph = helper.make_graph([pool, gather], "encoder", [image], [features], [order])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8),
        tmp_path / "fear_xs_features.onnx",
    )
    return tmp_path


def lesson_of(folder: Path, channels: int, **settings: float) -> FeatureLesson:
    torch.manual_seed(0)
    return FeatureLesson(folder, channels, FeatureTeaching(weight=1.0, **settings))


def test_the_encoder_sees_rgb_and_whole_cells(folder: Path) -> None:
    images = torch.zeros(2, 3, 63, 63)
    images[1, 2] = 100.0  # red, of BGR
    features = lesson_of(folder, 8).encode(images)
    assert features.shape == (2, CHANNELS, 4, 4)
    torch.testing.assert_close(features[1, :3, 3, 3], torch.tensor([100.0, 0.0, 0.0]), rtol=1e-2, atol=1e-3)
    assert not features[0].any()


def test_the_loss_is_one_less_the_cosine_of_what_is_told_with_what_the_encoder_says(folder: Path) -> None:
    lesson = lesson_of(folder, 5, alone=0)
    images, features = torch.rand(2, 3, 64, 64) * 255, torch.randn(2, 5, 4, 4)
    loss = lesson((View(images, features, Grid(0.0, 16, 4)),), step=0)
    said = lesson.encode(images)
    weight, bias = lesson.map.weight[:, :, 0, 0], lesson.map.bias
    mean = torch.stack([said[:, channel].mean() for channel in range(CHANNELS)])
    cosines = []
    for sample in range(2):
        for row in range(4):
            for column in range(4):
                told = weight @ features[sample, :, row, column] + bias
                wanted = said[sample, :, row, column] - mean
                cosines.append(torch.dot(told, wanted) / told.norm() / wanted.norm())
    assert loss.item() == pytest.approx(1 - torch.stack(cosines).mean().item(), abs=1e-4)


def test_the_student_hears_nothing_until_the_map_has_learned(folder: Path) -> None:
    lesson = lesson_of(folder, 5, alone=3)
    features = torch.randn(1, 5, 4, 4, requires_grad=True)
    for step, heard in ((2, False), (3, True)):
        features.grad = None
        lesson((View(torch.rand(1, 3, 64, 64) * 255, features, Grid(0.0, 16, 4)),), step).backward()
        assert (features.grad is not None) is heard
        assert lesson.map.weight.grad is not None


def test_cells_elsewhere_hear_what_lies_between_the_encoders() -> None:
    """Features that are a plane over the image are that plane at any cell of the student's."""
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    plane = (2 * rows + 3 * columns)[None, None] * 16
    grid = Grid(first=21.5, stride=8, cells=9)
    found = at_cells(plane, grid)[0, 0]
    for row in range(9):
        for column in range(9):
            expected = 2 * (21.5 + 8 * row) + 3 * (21.5 + 8 * column)
            assert found[row, column].item() == pytest.approx(expected, rel=1e-4)
    assert at_cells(plane, Grid(0.0, 16, 8)) is plane


def test_a_lesson_without_its_teacher_is_refused() -> None:
    with pytest.raises(ConfigError, match="name fear_xs among the teachers"):
        SiamFCTraining(features=FeatureTeaching(weight=1.0))


def test_a_training_learns_features_with_a_rate_of_their_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A student at stride 8 without padding hears the encoder; the map trains, and stays out of its weights."""
    silent = type("Silent", (), {"__init__": lambda self, folder: None, "name": "silent"})
    monkeypatch.setattr("siam_tracker_core.training.teaching.taught_module.TEACHERS", {"fear_xs": silent})
    torch.manual_seed(0)
    teaching = FeatureTeaching(weight=2.0, alone=0, rate=0.5)
    recipe = SiamFCTraining(teachers={"fear_xs": str(folder)}, features=teaching, cross_video_weight=0.0)
    module = SiamFCModule.build(recipe).eval()
    monkeypatch.setattr(module, "teach", lambda shown, points, settings: None)
    monkeypatch.setattr("siam_tracker_core.training.siamfc.score_loss", lambda *_: torch.zeros(()))
    batch = {
        "exemplar": torch.randint(0, 255, (2, 320, 320, 3), dtype=torch.uint8),
        "search": torch.randint(0, 255, (2, 320, 320, 3), dtype=torch.uint8),
        "exemplar_size": torch.full((2, 2), 50.0),
        "search_size": torch.full((2, 2), 50.0),
        "negative": torch.zeros(2, dtype=torch.bool),
        "loose": torch.zeros(2, dtype=torch.bool),
        "track": torch.arange(2),
    }
    values = module.losses(batch, torch.Generator().manual_seed(0))
    assert 0 < values["features"].item() < 2
    values["loss"].backward()
    lesson = module.feature_lesson
    assert lesson is not None
    assert lesson.map.weight.grad is not None
    groups = module.parameter_groups()
    assert groups[-1]["lr"] == 0.5
    assert {id(parameter) for parameter in groups[-1]["params"]} == {id(parameter) for parameter in lesson.parameters()}
    assert not [name for name in module.shipped(module.network) if "map" in name]
    without = (values["loss"] - 2.0 * values["features"]).item()
    module.feature_lesson = None
    assert module.losses(batch, torch.Generator().manual_seed(0))["loss"].item() == pytest.approx(without, abs=1e-4)
