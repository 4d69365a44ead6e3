"""SiamFC and SiamRPN beside a teacher: what is learned of it, where, and what a loose label does not teach."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks.anchors import Anchors
from siam_tracker_core.networks.rpn import Proposals
from siam_tracker_core.training.augmentation.look_alikes import LookAlikes
from siam_tracker_core.training.engine.frozen import FrozenFront
from siam_tracker_core.training.siamfc import SiamFCModule, SiamFCTraining
from siam_tracker_core.training.siamrpn import SiamRPNModule, SiamRPNTraining, most_probable
from siam_tracker_core.training.teaching.lesson import TeachingLoss
from siam_tracker_core.training.teaching.teachers import Answers


class Pupil:
    """A teacher that keeps where it was asked, and is as sure of a box as it is told."""

    name = "made"

    def __init__(self, score=0.8):
        self.score, self.points = score, None

    def answer(self, batch, clear, points):
        self.points = points
        count = len(batch["search"])
        boxes = clear.search_views.boxes(batch["search_size"])[:, None, None].expand(count, *points.shape[:2], 4)
        return Answers(torch.full((count, *points.shape[:2]), self.score), boxes)


@pytest.fixture
def batch():
    """Four pairs of noise, the third one negative."""
    rng = np.random.default_rng(0)
    sizes = torch.tensor([[60.0, 40.0], [30.0, 70.0], [0.0, 0.0], [50.0, 50.0]])
    return {
        "exemplar": torch.from_numpy(rng.integers(0, 255, (4, 320, 320, 3), dtype=np.uint8)),
        "search": torch.from_numpy(rng.integers(0, 255, (4, 320, 320, 3), dtype=np.uint8)),
        "exemplar_size": torch.tensor([[60.0, 40.0], [30.0, 70.0], [40.0, 40.0], [50.0, 50.0]]),
        "search_size": sizes,
        "negative": torch.tensor([False, False, True, False]),
        "loose": torch.tensor([False, False, False, False]),
        "track": torch.arange(4),
    }


def siamfc(**values):
    torch.manual_seed(0)
    return SiamFCModule.build(SiamFCTraining(cross_video_weight=0.0, **values)).eval()


def siamrpn(**values):
    torch.manual_seed(0)
    return SiamRPNModule.build(SiamRPNTraining(**{"backbone": "alexnet", "hidden": 16, **values}))


def test_siamfc_learns_scores_beside_its_labels(batch):
    """The teacher's cross-entropy cell by cell, added with its weight to the loss without a teacher."""
    settings = TeachingLoss(elsewhere=1.0, emphasis=2.0)
    alone = siamfc().losses(batch, torch.Generator().manual_seed(1))["loss"]
    module = siamfc(teaching=settings, teaching_weight=0.5)
    module.teachers = (Pupil(),)
    values = module.losses(batch, torch.Generator().manual_seed(1))
    pairs = module.augment(batch, torch.Generator().manual_seed(1))
    logits = module.network(pairs.exemplars, pairs.searches)[:, 0].double()
    entropy = weight = 0.0
    for pair, row, column in np.ndindex(*logits.shape):
        wanted = 0.0 if pair == 2 else 0.8
        value = float(logits[pair, row, column])
        entropy += (1 + 2 * wanted) * (math.log1p(math.exp(-abs(value))) + max(value, 0) - wanted * value)
        weight += 1 + 2 * wanted
    assert values["teaching"].item() == pytest.approx(entropy / weight, rel=1e-3)
    torch.testing.assert_close(values["loss"], alone + 0.5 * values["teaching"])


@pytest.mark.parametrize("build", [siamfc, siamrpn])
def test_teachers_are_asked_at_the_student_s_cells(batch, build):
    """17 cells of stride 8 about the middle: 64 pixels to each side."""
    module, teacher = build(), Pupil()
    module.teachers = (teacher,)
    module.losses(batch, torch.Generator().manual_seed(1))
    assert teacher.points.shape == (17, 17, 2)
    assert teacher.points[0, 16].tolist() == [64, -64]
    assert teacher.points[8, 8].tolist() == [0, 0]


def test_the_most_probable_anchor_of_each_cell_answers():
    torch.manual_seed(0)
    proposals, grid = Proposals(torch.randn(2, 2, 5, 3, 3), torch.randn(2, 4, 5, 3, 3) * 0.3), Anchors().grid(3)
    odds, boxes = most_probable(proposals, grid)
    for pair, row, column in np.ndindex(2, 3, 3):
        each = (proposals.logits[pair, 1, :, row, column] - proposals.logits[pair, 0, :, row, column]).tolist()
        best = each.index(max(each))
        x, y, width, height = grid[best, row, column].tolist()
        across, down, wide, high = proposals.distances[pair, :, best, row, column].tolist()
        expected = [x + across * width, y + down * height, width * math.exp(wide), height * math.exp(high)]
        assert odds[pair, row, column].item() == pytest.approx(max(each))
        assert boxes[pair, row, column].tolist() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("taught", [False, True])
def test_loose_labels_teach_places_and_only_teachers_extents(batch, taught):
    module = siamrpn()
    module.teachers = (Pupil(),) if taught else ()
    values = module.losses({**batch, "loose": torch.ones(4, dtype=torch.bool)}, torch.Generator().manual_seed(1))
    values["loss"].backward()
    shaped = [
        name for name, each in module.network.head.loc.named_parameters() if each.grad is not None and each.grad.any()
    ]
    assert bool(shaped) == taught
    assert values["regression"] == 0
    assert module.network.head.cls.conv_kernel[0].weight.grad.any()


def test_a_sample_s_own_target_beside_another_is_no_stranger(batch):
    """The exemplar of the first is pasted beside the second's target, whose search image the third is compared with."""
    module = siamfc(look_alikes=LookAlikes(probability=1.0))
    for tracks, counted in (([0, 1, 2, 3], [False, True, True, False]), ([0, 1, 0, 3], [False, True, False, False])):
        shown = module.show({**batch, "track": torch.tensor(tracks)}, torch.Generator().manual_seed(0))
        assert (shown.others[:, 2] > 0).tolist() == [True, True, False, True]
        found = module.strangers(shown).tolist()
        assert found[1:] == counted[1:], tracks


@pytest.mark.parametrize("recipe", [SiamFCTraining, SiamRPNTraining])
def test_a_teacher_that_there_is_not_is_named(recipe):
    with pytest.raises(ConfigError, match="no teacher nobody; known are nanotrack_v3, fear_xs"):
        recipe(teachers={"nobody": "here"})


@pytest.mark.parametrize("cross_video", [0.0, 0.5])
def test_a_frozen_front_leaves_siamrpn_s_lesson_as_it_is(batch, cross_video, monkeypatch):
    """The same losses and the same gradients behind it, and none in it; in PyTorch, so that nothing is rounded."""
    monkeypatch.setattr(FrozenFront, "_request", lambda *_: None)
    answers = []
    for units in (0, 7):
        margins = {"exemplar_margin": 4, "search_margin": 2, "cross_video_weight": cross_video}
        module = siamrpn(backbone="mobilenetv2", frozen_front=units, **margins).eval()
        module.network.backbone.features[:7].requires_grad_(False)
        values = module.losses(batch, torch.Generator().manual_seed(1))
        values["loss"].backward()
        answers.append((values["loss"].item(), module.network.backbone.features[8].conv[0][0].weight.grad))
        assert module.network.backbone.features[3].conv[0][0].weight.grad is None
    (whole, gradient), (parted, other) = answers
    assert parted == pytest.approx(whole, rel=1e-5)
    assert torch.allclose(gradient, other, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("backbone", "units", "told"), [("alexnet", 2, "none"), ("mobilenetv2", 40, "11 units")])
def test_a_front_that_a_backbone_does_not_have_is_refused(backbone, units, told):
    with pytest.raises(ConfigError, match=f"frozen_front is {units}.*{told}"):
        siamrpn(backbone=backbone, frozen_front=units)
