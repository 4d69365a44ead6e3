"""Targets of other videos beside a pair's own: where they go, where nothing goes, and what is learned there."""

from __future__ import annotations

import pytest
import torch

from siam_tracker_core.training.augmentation.look_alikes import LookAlikes, put_beside
from siam_tracker_core.training.augmentation.views import Views
from siam_tracker_core.training.teaching.lesson import Lesson, without_others

ALWAYS = LookAlikes(probability=1.0)


def batch_of(count: int, side: int = 200) -> dict[str, torch.Tensor]:
    """Grey search images; the exemplar of sample n has a square of colour n * 20 in black."""
    exemplars = torch.zeros(count, side, side, 3, dtype=torch.uint8)
    for place in range(count):
        exemplars[place, side // 2 - 20 : side // 2 + 20, side // 2 - 15 : side // 2 + 15] = (place % 8 + 1) * 20
    return {
        "exemplar": exemplars,
        "search": torch.full((count, side, side, 3), 250, dtype=torch.uint8),
        "exemplar_size": torch.tensor([[30.0, 40.0]]).repeat(count, 1),
        "search_size": torch.tensor([[40.0, 30.0]]).repeat(count, 1),
        "negative": torch.zeros(count, dtype=torch.bool),
        "track": torch.arange(count),
    }


def test_the_target_of_the_sample_before_stands_beside_and_covers_nothing_of_the_box():
    batch = batch_of(8)
    beside = put_beside(batch, ALWAYS, torch.Generator().manual_seed(1))
    for place, (x, y, width, height) in enumerate(beside.boxes.tolist()):
        column, row = round(100 + x), round(100 + y)
        if 0 <= column < 200 and 0 <= row < 200:
            colour = ((place - 1) % 8 + 1) * 20
            assert beside.searches[place, row, column].tolist() == [colour] * 3
        assert abs(x) >= (40 + width) / 2 - 1e-3 or abs(y) >= (30 + height) / 2 - 1e-3
        assert (width * height / 1200) ** 0.5 == pytest.approx(1, abs=ALWAYS.resize + 1e-3)
        assert beside.searches[place, 90:110, 85:115].float().mean() > 249
    assert (beside.searches != batch["search"]).any(dim=3).any(dim=2).any(dim=1).sum() >= 7  # one may lie outside


def test_nothing_is_put_where_the_target_is_absent_or_of_the_same_video():
    batch = batch_of(4)
    batch["negative"][1] = True
    batch["track"][3] = batch["track"][2]
    beside = put_beside(batch, ALWAYS, torch.Generator().manual_seed(1))
    for place in (1, 3):
        assert torch.equal(beside.searches[place], batch["search"][place])
        assert beside.boxes[place].tolist() == [0, 0, 0, 0]
    assert beside.boxes[[0, 2], 2].min() > 0


def test_its_share_is_the_probability():
    batch = batch_of(400, side=48)
    beside = put_beside(batch, LookAlikes(probability=0.3), torch.Generator().manual_seed(0))
    assert (beside.boxes[:, 2] > 0).float().mean().item() == pytest.approx(0.3, abs=0.08)


@pytest.mark.parametrize("flip", [False, True])
def test_a_box_of_the_crop_lies_in_the_view_where_its_pixels_do(flip):
    crop = torch.zeros(1, 200, 200, 3, dtype=torch.uint8)
    crop[0, 60:80, 130:160] = 255  # centre 45, -30 from the middle
    views = Views(torch.tensor([[10.0, -5.0]]), torch.tensor([[1.25, 0.8]]), torch.tensor([flip]))
    rows, columns = torch.nonzero(views.resample(crop, 180)[0, 0] > 127).T
    x, y, width, height = views.place(torch.tensor([[45.0, -30.0, 30.0, 20.0]]))[0].tolist()
    assert (columns.min() + columns.max() + 1).item() / 2 - 90 == pytest.approx(x, abs=0.8)
    assert (rows.min() + rows.max() + 1).item() / 2 - 90 == pytest.approx(y, abs=0.8)
    assert (columns.max() - columns.min() + 1).item() == pytest.approx(width, abs=1.1)
    assert (rows.max() - rows.min() + 1).item() == pytest.approx(height, abs=1.1)


def test_nothing_is_taught_where_another_target_is_but_in_the_own_box():
    steps = (torch.arange(5) - 2) * 10.0
    points = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)
    scores = torch.full((2, 5, 5), 0.5)
    lesson = Lesson(scores, torch.zeros(2, 5, 5, 4), torch.ones(2))
    labels = torch.tensor([[0.0, 0.0, 12.0, 12.0]]).repeat(2, 1)
    others = torch.tensor([[10.0, 0.0, 30.0, 12.0], [0.0, 0.0, 0.0, 0.0]])
    found = without_others(lesson, labels, others, points).scores
    expected = scores.clone()
    expected[0, 2, 3:] = 0.0  # x of 10 and 20, y of 0; the middle is the target's own
    assert torch.equal(found, expected)
