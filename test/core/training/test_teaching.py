"""Learning from published trackers: their geometry, what is heard of them, the loss; against slow references."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from siam_tracker_core.errors import WeightsError
from siam_tracker_core.networks import backbone
from siam_tracker_core.networks.anchors import centred_giou
from siam_tracker_core.peers import nanotrack
from siam_tracker_core.peers.onnx_network import OnnxNetwork
from siam_tracker_core.training.augmentation.views import Views
from siam_tracker_core.training.engine.frozen import FrozenFront
from siam_tracker_core.training.engine.pair_module import Clear
from siam_tracker_core.training.siamban import SiamBANModule, SiamBANTraining
from siam_tracker_core.training.teaching.lesson import (
    TeachingLoss,
    labelled_scores,
    make_lesson,
    softened,
    teaching_loss,
)
from siam_tracker_core.training.teaching.teachers import Answers, FearXS, interpolated


def grid(size: int, stride: float = 16.0) -> torch.Tensor:
    steps = (torch.arange(size) - (size - 1) / 2) * stride
    rows, columns = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack((columns, rows), dim=-1)


@given(
    first=st.tuples(st.floats(-120, -40), st.floats(-120, -40)),
    step=st.tuples(st.floats(5, 30), st.floats(5, 30)),
    place=st.tuples(st.floats(0, 6.999), st.floats(0, 4.999)),
)
@settings(deadline=None, max_examples=40)
def test_interpolation_is_bilinear_between_the_four_nearest_cells(first, step, place):
    generator = torch.Generator().manual_seed(0)
    answers = Answers(torch.rand(1, 6, 8, generator=generator), torch.rand(1, 6, 8, 4, generator=generator))
    point = torch.tensor([[[first[0] + place[0] * step[0], first[1] + place[1] * step[1]]]])
    found = interpolated(answers, point, torch.tensor([first]), torch.tensor([step]))
    column, row = int(place[0]), int(place[1])
    across, down = place[0] - column, place[1] - row
    expected = sum(
        weight * answers.scores[0, row + dy, column + dx]
        for dy, dx, weight in (
            (0, 0, (1 - down) * (1 - across)),
            (0, 1, (1 - down) * across),
            (1, 0, down * (1 - across)),
            (1, 1, down * across),
        )
    )
    assert found.scores.item() == pytest.approx(float(expected), abs=1e-3)


def test_a_score_outside_the_teachers_grid_is_zero():
    answers = Answers(torch.ones(1, 4, 4), torch.ones(1, 4, 4, 4))
    found = interpolated(
        answers, torch.tensor([[[500.0, 0.0]]]), torch.tensor([[-24.0, -24.0]]), torch.tensor([[16.0, 16.0]])
    )
    assert found.scores.item() == 0


def test_fear_sees_the_target_where_it_is_and_its_box_returns_to_the_view():
    """A white target on black, found by brightness alone: the box in the teacher's pixels comes back in the view's."""
    crop = torch.zeros(1, 448, 448, 3, dtype=torch.uint8)
    crop[:, 224 - 30 : 224 + 30, 224 - 20 : 224 + 20] = 255  # 40 wide, 60 high, in the middle
    seen = {}

    def template(image):
        seen["template"] = image
        return [torch.zeros(1, 256, 8, 8)]

    def track(image, template_features):
        rows, columns = np.nonzero(image[0, 0].numpy() > 127)
        low = np.array([columns.min(), rows.min()]) - 128.0
        high = np.array([columns.max(), rows.max()]) + 1 - 128.0
        steps = (np.arange(16) - 8) * 16.0
        x, y = np.meshgrid(steps, steps)
        distances = np.stack((x - low[0], y - low[1], high[0] - x, high[1] - y))[None].astype(np.float32)
        return [torch.from_numpy(distances), torch.full((1, 1, 16, 16), 5.0)]

    teacher = FearXS.__new__(FearXS)
    teacher.template, teacher.track = template, track
    flip = torch.tensor([False])
    own = Views(torch.zeros(1, 2), torch.ones(1, 2), flip)
    moved = Views(torch.tensor([[12.0, -8.0]]), torch.tensor([[1.25, 0.8]]), flip)
    batch = {"exemplar": crop, "search": crop, "exemplar_size": torch.tensor([[40.0, 60.0]])}
    nothing = torch.zeros(1, 3, 1, 1)
    answers = teacher.answer(batch, Clear(own, nothing, moved, nothing), grid(15))
    expected = moved.boxes(torch.tensor([[40.0, 60.0]]))[0]
    assert answers.boxes[0, 7, 7].tolist() == pytest.approx(expected.tolist(), abs=1.0)
    # The template is 1.4 times the box: 128 / 1.4 pixels of it are the target, along both axes.
    assert (seen["template"][0, 0, 64] > 127).sum() == pytest.approx(128 / 1.4, abs=2)
    assert (seen["template"][0, 0, :, 64] > 127).sum() == pytest.approx(128 / 1.4, abs=2)


def constant(box, score=0.9, cells=5):
    boxes = torch.tensor(box, dtype=torch.float32).expand(1, cells, cells, 4)
    return Answers(torch.full((1, cells, cells), score), boxes)


def lesson_of(answers, label, negative=False, loose=False, **settings):
    labels = torch.tensor([label], dtype=torch.float32)
    settings = TeachingLoss(agreement=0.5, **settings)
    return make_lesson(answers, labels, torch.tensor([negative]), torch.tensor([loose]), grid(5), settings)


def test_only_teachers_that_the_label_confirms_are_heard():
    right, wrong = constant([0, 0, 40, 40], 0.8), constant([60, 0, 40, 40], 0.6)
    lesson = lesson_of([right, wrong], [2, 0, 40, 40])
    assert lesson.taught.tolist() == [1]
    assert torch.allclose(lesson.scores, right.scores)
    assert torch.allclose(lesson.boxes, right.boxes)


@pytest.mark.parametrize("elsewhere", [0.0, 0.25, 1.0])
def test_what_teachers_like_beside_the_label_counts_as_much_as_is_wanted(elsewhere):
    """Cells lie 16 pixels apart, so that one column and three rows of them are inside the label's box."""
    lesson = lesson_of([constant([0, 0, 30, 40], 0.8)], [0, 0, 30, 40], elsewhere=elsewhere)
    for row, column in np.ndindex(5, 5):
        inside = column == 2 and row in (1, 2, 3)
        assert lesson.scores[0, row, column].item() == pytest.approx(0.8 if inside else 0.8 * elsewhere)


def test_labels_alone_teach_where_no_teacher_is_right():
    lesson = lesson_of([constant([60, 0, 40, 40])], [0, 0, 40, 40])
    assert lesson.taught.tolist() == [0]
    for row, column in np.ndindex(5, 5):
        x, y = (column - 2) * 16, (row - 2) * 16
        assert lesson.scores[0, row, column].item() == pytest.approx(
            math.exp(-(x * x + y * y) / (2 * 8.0**2)), rel=1e-4
        )


def test_a_loose_label_needs_half_the_agreement():
    far = constant([17, 0, 40, 40])  # IoU of 23/57, 0.40
    assert lesson_of([far], [0, 0, 40, 40]).taught.tolist() == [0]
    assert lesson_of([far], [0, 0, 40, 40], loose=True).taught.tolist() == [1]


def test_nothing_is_there_in_a_negative_pair():
    lesson = lesson_of([constant([0, 0, 40, 40])], [0, 0, 0, 0], negative=True)
    assert lesson.scores.eq(0).all()
    assert lesson.taught.tolist() == [0]


def test_loss_is_that_of_its_definition_cell_by_cell():
    torch.manual_seed(3)
    config, points = TeachingLoss(emphasis=3.0, truth=0.5, sure=0.4), grid(4)
    logits, scores = torch.randn(3, 4, 4), torch.rand(3, 4, 4)
    boxes = torch.cat((points.expand(3, -1, -1, -1), torch.rand(3, 4, 4, 2) * 30 + 20), dim=-1)
    taught_boxes = torch.tensor([1.0, 2.0, 35.0, 25.0]).expand(3, 4, 4, 4)
    labels = torch.tensor([[0.0, 0.0, 30.0, 30.0]]).repeat(3, 1)
    exact, taught = torch.tensor([True, False, False]), torch.tensor([1.0, 1.0, 0.0])
    lesson = make_lesson([], labels, torch.zeros(3, dtype=torch.bool), ~exact, points, config)
    lesson = lesson._replace(scores=scores, boxes=taught_boxes, taught=taught)
    classification, regression = teaching_loss(logits, boxes, lesson, labels, exact, config)

    entropy = weight = 0.0
    for n, row, column in np.ndindex(3, 4, 4):
        score, p = float(scores[n, row, column]), 1 / (1 + math.exp(-float(logits[n, row, column])))
        entropy -= (1 + 3 * score) * (score * math.log(p) + (1 - score) * math.log(1 - p))
        weight += 1 + 3 * score
    assert classification.item() == pytest.approx(entropy / weight, rel=1e-4)

    pairs = []
    for n in (0, 1):  # the third label is loose and no teacher is heard: nobody knows an extent
        own = norm = 0.0
        for row, column in np.ndindex(4, 4):
            score = float(scores[n, row, column])
            if score >= 0.4:
                by_teacher = 1 - float(centred_giou(boxes[n, row, column], taught_boxes[n, row, column]))
                by_label = 1 - float(centred_giou(boxes[n, row, column], labels[n]))
                own += score * ((by_teacher + 0.5 * by_label) / 1.5 if exact[n] else by_teacher)
                norm += score
        pairs.append(own / norm)
    assert regression.item() == pytest.approx(sum(pairs) / 2, rel=1e-4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_temperature_divides_the_log_odds_of_teachers(temperature):
    lesson = lesson_of([constant([0, 0, 200, 200], 0.9)], [0, 0, 200, 200], temperature=temperature)
    assert lesson.scores[0, 2, 2].item() == pytest.approx(1 / (1 + math.exp(-math.log(9) / temperature)), rel=1e-5)
    assert softened(torch.tensor([0.0, 1.0]), temperature).tolist() == [0, 1]


def test_scores_of_a_label_have_its_shape():
    scores = labelled_scores(grid(9, 4.0), torch.tensor([[0.0, 0.0, 80.0, 20.0]]), 0.2)[0]
    assert scores[4, 4] == 1
    # One standard deviation is 16 pixels along x and 4 along y.
    assert scores[4, 8].item() == pytest.approx(math.exp(-0.5), rel=1e-5)
    assert scores[5, 4].item() == pytest.approx(math.exp(-0.5), rel=1e-5)


@pytest.mark.parametrize("mixed", [False, True])
def test_the_frozen_front_says_what_the_backbone_says(mixed):
    torch.manual_seed(0)
    network = backbone("mobilenetv2_stride16").eval()
    images = torch.rand(2, 3, 127, 127) * 255
    front = FrozenFront(network, 7)
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):  # as in a training of mixed precision
            early = front(images)
        found = network.features[7:](early.float())
        expected = network(images)
    # OpenVINO may compute in bfloat16, of which a value keeps two to three digits.
    assert (found - expected).norm() < 0.03 * expected.norm()


def test_labels_alone_train_a_network():
    """A few steps on one batch lower the loss, with and without a frozen front, and leave the front as it was."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    crops = torch.from_numpy(rng.integers(0, 255, (2, 320, 320, 3), dtype=np.uint8))
    batch = {
        "exemplar": crops,
        "search": crops,
        "exemplar_size": torch.tensor([[60.0, 40.0], [30.0, 70.0]]),
        "search_size": torch.tensor([[60.0, 40.0], [30.0, 70.0]]),
        "negative": torch.tensor([False, False]),
        "loose": torch.tensor([False, False]),
        "track": torch.arange(2),
    }
    module = SiamBANModule.build(SiamBANTraining(hidden=16, depth=1, frozen_front=7))
    module.network.backbone.eval()
    before = module.network.backbone.features[3].conv[0][0].weight.clone()
    optimiser = torch.optim.AdamW(module.network.parameters(), 3e-3)
    values = []
    for _ in range(8):
        said = module.losses(batch, torch.Generator().manual_seed(1))
        optimiser.zero_grad()
        said["loss"].backward()
        optimiser.step()
        values.append(said["loss"].item())
    assert values[-1] < 0.9 * values[0]
    assert torch.equal(module.network.backbone.features[3].conv[0][0].weight, before)


@pytest.mark.parametrize("content", [None, b"<html>not found</html>"])
def test_a_teachers_file_that_is_missing_or_no_network_is_refused(tmp_path, content):
    path = tmp_path / "nanotrack_head.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"nanotrack_head\.onnx"):
        OnnxNetwork(path, nanotrack.HEAD, {"input1": (1, 96, 8, 8)})
