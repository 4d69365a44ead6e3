"""SiamRPN's training: the loss against the equations, pairs without a target, gradients, the paper's recipe."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from siam_tracker_core.crop import Frame
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.geometry import Box, Window, context_size
from siam_tracker_core.networks import WideAlexNet
from siam_tracker_core.networks.anchors import RATIOS, Anchors, centred_iou
from siam_tracker_core.networks.rpn import Proposals
from siam_tracker_core.training.engine.recipe import read_recipe
from siam_tracker_core.training.engine.unfreezing import set_training
from siam_tracker_core.training.losses.proposals import ProposalLoss, draw_anchors, proposal_loss
from siam_tracker_core.training.siamrpn import SiamRPNModule, SiamRPNTraining
from siam_tracker_core.weights import save_weights
from siam_tracker_core.zoo import load_tracker

CONFIGS = Path(__file__).resolve().parents[3] / "config" / "train"


@pytest.fixture(scope="module")
def batch():
    """Three pairs of crops from made sequences, the last one without its target."""
    crops, sizes = [], []
    for seed in (1, 2, 3):
        made = made_sequence(frames=8, size=(320, 240), seed=seed)
        for index in (0, 7):
            box = Box.from_array(made.boxes[index])
            side = context_size(box.width, box.height)
            crop = Frame(made.frames[index], torch.device("cpu")).crops([Window(*box.centre, side * 320 / 127)], 320)
            crops.append(crop[0].permute(1, 2, 0).to(torch.uint8))
            sizes.append(torch.tensor([box.width, box.height]) * 127 / side)
    pairs = {
        "exemplar": torch.stack(crops[::2]),
        "search": torch.stack(crops[1::2]),
        "exemplar_size": torch.stack(sizes[::2]),
        "search_size": torch.stack(sizes[1::2]),
        "negative": torch.tensor([False, False, True]),
        "loose": torch.tensor([False, False, False]),
        "track": torch.arange(3),
    }
    pairs["search_size"][2] = 0
    return pairs


def small_module(**values):
    torch.manual_seed(0)
    return SiamRPNModule.build(SiamRPNTraining(**{"backbone": "alexnet", "hidden": 16, **values}))


def slow_giou(first, second):
    """Algorithm 1 of the generalised IoU, for boxes by centre and size."""
    sides = [
        [(box[axis] - box[axis + 2] / 2, box[axis] + box[axis + 2] / 2) for axis in (0, 1)] for box in (first, second)
    ]
    common = around = 1.0
    for (low, high), (other_low, other_high) in zip(*sides, strict=True):
        common *= max(0.0, min(high, other_high) - max(low, other_low))
        around *= max(high, other_high) - min(low, other_low)
    union = first[2] * first[3] + second[2] * second[3] - common
    return common / union - (around - union) / around


def slow_loss(proposals, lesson, grid, targets, loss):
    """Equations 3 to 6, anchor by anchor; the logarithms of equation 3 the way round that equation 12 undoes."""
    of_positives, of_negatives, regressions = [], [], []
    for n, k, row, column in np.ndindex(*lesson.positive.shape):
        background, target = (float(value) for value in proposals.logits[n, :, k, row, column])
        total = math.log(math.exp(background) + math.exp(target))
        if lesson.negative[n, k, row, column]:
            of_negatives.append(total - background)
        if not lesson.positive[n, k, row, column]:
            continue
        of_positives.append(total - target)
        anchor_x, anchor_y, anchor_width, anchor_height = (float(value) for value in grid[k, row, column])
        x, y, width, height = (float(value) for value in targets[n])
        wanted = (
            (x - anchor_x) / anchor_width,
            (y - anchor_y) / anchor_height,
            math.log(width / anchor_width),
            math.log(height / anchor_height),
        )
        each = 0.0
        for part, distance in enumerate(wanted):
            error = abs(float(proposals.distances[n, part, k, row, column]) - distance)
            if loss.regression == "l1":
                each += error
            elif error < 1 / loss.sigma**2:
                each += 0.5 * loss.sigma**2 * error**2
            else:
                each += error - 1 / (2 * loss.sigma**2)
        across, down, wide, high = (float(value) for value in proposals.distances[n, :, k, row, column])
        proposed = (
            anchor_x + across * anchor_width,
            anchor_y + down * anchor_height,
            anchor_width * math.exp(wide),
            anchor_height * math.exp(high),
        )
        each += loss.giou_weight * (1 - slow_giou(proposed, (x, y, width, height)))
        regressions.append(each)
    if loss.balanced:
        classification = 0.5 * np.mean(of_positives) + 0.5 * np.mean(of_negatives)
    else:
        classification = np.mean(of_positives + of_negatives)
    return classification, np.mean(regressions)


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("regression", ["smooth_l1", "l1"])
@pytest.mark.parametrize("overlap", [0.0, 1.5])
def test_loss_equals_the_equations(balanced, regression, overlap):
    torch.manual_seed(0)
    grid = Anchors().grid(9)
    targets = torch.tensor([[3.0, -8.0, 60.0, 70.0], [20.0, 4.0, 100.0, 36.0], [0.0, 0.0, 0.0, 0.0]])
    proposals = Proposals(torch.randn(3, 2, 5, 9, 9), torch.randn(3, 4, 5, 9, 9) * 0.5)
    loss = ProposalLoss(balanced=balanced, regression=regression, giou_weight=overlap)
    absent = torch.tensor([False, False, True])
    lesson = draw_anchors(grid, targets, absent, loss, torch.Generator().manual_seed(1))
    assert lesson.positive.flatten(1).any(dim=1).tolist() == [True, True, False]
    expected = slow_loss(proposals, lesson, grid, targets, loss)
    np.testing.assert_allclose([float(value) for value in proposal_loss(proposals, lesson, loss)], expected, rtol=1e-5)


extents = st.floats(0, 600)


@given(
    st.lists(st.tuples(st.floats(-300, 300), st.floats(-300, 300), extents, extents, st.booleans()), min_size=1),
    st.integers(1, 20),
    st.integers(1, 64),
    st.sampled_from([0.0, 1.0]),
)
@settings(deadline=None, max_examples=40)
def test_any_targets_teach_something_finite(rows, max_positives, samples, overlap):
    """Targets of any size and place, absent ones, and batches without a positive: numbers, limits and gradients."""
    samples = max(samples, max_positives)
    grid = Anchors().grid(17)
    table = torch.tensor([row[:4] for row in rows])
    absent = torch.tensor([row[4] for row in rows])
    loss = ProposalLoss(max_positives=max_positives, samples=samples, giou_weight=overlap)
    lesson = draw_anchors(grid, table, absent, loss, torch.Generator().manual_seed(0))
    positives, negatives = (mask.flatten(1).sum(dim=1) for mask in (lesson.positive, lesson.negative))
    overlap = centred_iou(grid, table[:, None, None, None])
    near = ((overlap > 0.6) & ~absent[:, None, None, None]).flatten(1).sum(dim=1)
    far = ((overlap < 0.3) | absent[:, None, None, None]).flatten(1).sum(dim=1)
    assert torch.equal(positives, near.clamp_max(max_positives))
    assert torch.equal(negatives, torch.minimum(far, (samples - positives).clamp_min(0)))
    assert not (lesson.positive & lesson.negative).any()

    torch.manual_seed(0)
    logits = torch.randn(len(rows), 2, 5, 17, 17, requires_grad=True)
    distances = torch.randn(len(rows), 4, 5, 17, 17, requires_grad=True)
    classification, regression = proposal_loss(Proposals(logits, distances), lesson, loss)
    (classification + regression).backward()
    for value in (classification, regression, logits.grad, distances.grad):
        assert torch.isfinite(value).all()
    touched = (distances.grad != 0).any(dim=1)
    assert not (touched & ~lesson.positive).any()


def test_hard_negatives_are_those_most_taken_for_the_target():
    """A share of them by score among those allowed, pair by pair, and the rest of them drawn at random."""
    torch.manual_seed(0)
    grid = Anchors().grid(9)
    targets = torch.tensor([[3.0, -8.0, 60.0, 70.0], [0.0, 0.0, 0.0, 0.0]])
    absent = torch.tensor([False, True])
    scores = torch.rand(2, 5, 9, 9)

    def places(mask):
        return set(map(tuple, np.argwhere(mask).tolist()))

    lessons = [
        draw_anchors(
            grid, targets, absent, ProposalLoss(hard_negative_share=0.5), torch.Generator().manual_seed(seed), scores
        )
        for seed in range(30)
    ]
    for pair in range(2):
        allowed = ((centred_iou(grid, targets[pair]) < 0.3) | absent[pair]).numpy()
        room = 64 - int(lessons[0].positive[pair].sum())
        ranked = sorted(((float(scores[pair][place]), place) for place in places(allowed)), reverse=True)
        hardest = {place for _, place in ranked[: round(room / 2)]}
        drawn = [places(lesson.negative[pair].numpy()) for lesson in lessons]
        assert all(hardest <= each and len(each) == room for each in drawn)
        assert set.intersection(*drawn) == hardest
        assert all(allowed[place] for place in set.union(*drawn))


def test_strangers_are_background_everywhere(batch):
    """The loss on each exemplar with the search image before it, against the network itself asked one by one."""
    module = small_module(cross_video_weight=0.5, loss=ProposalLoss(samples=5 * 17 * 17)).eval()
    one_video = {**batch, "track": torch.tensor([4, 7, 7])}  # the second and third may show each other's target
    values = module.losses(one_video, torch.Generator().manual_seed(0))
    pairs = module.augment(one_video, torch.Generator().manual_seed(0))
    # The first is left out too: the third, before it, shows not its own target but some video's, perhaps the first's.
    background, target = module.network(pairs.exemplars[[1]], pairs.searches[[0]]).logits[0].double()
    loss = ((background.exp() + target.exp()).log() - background).mean()
    torch.testing.assert_close(values["cross_video"].double(), loss, rtol=1e-3, atol=1e-4)
    own = values["classification"] + 1.2 * values["regression"]
    torch.testing.assert_close(values["loss"], own + 0.5 * values["cross_video"])


def test_strangers_are_normalised_like_pairs(batch):
    """What a normalisation hides of the pairs must not be a way to tell strangers from them: a shift of features."""
    module = small_module(cross_video_weight=1.0)
    module.train()
    values = [module.losses(batch, torch.Generator().manual_seed(0))]
    with torch.no_grad():
        for branch in (module.network.head.cls, module.network.head.loc):
            branch.conv_search[0].weight.mul_(3.0)
            branch.conv_kernel[0].weight.mul_(0.2)
    values.append(module.losses(batch, torch.Generator().manual_seed(0)))
    for name in ("classification", "cross_video"):
        torch.testing.assert_close(values[0][name], values[1][name], rtol=1e-2, atol=1e-3)


def test_gradients_flow_into_both_branches_in_training(batch):
    """Into the features of the exemplar and of the search image, and from there into every weight."""
    for head in ("depthwise", "up_channel"):
        module = small_module(head=head)
        features = []
        module.backbone.register_forward_hook(
            lambda _, __, output, seen=features: (output.retain_grad(), seen.append(output))[0]
        )
        module.losses(batch, torch.Generator().manual_seed(0))["loss"].backward()
        assert [part.shape[-1] for part in features] == [6, 22]
        for part in features:
            assert (part.grad.flatten(1).abs().sum(dim=1) > 0).all()
        for name, parameter in module.network.named_parameters():
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.abs().sum() > 0, name


def test_batches_of_negatives_teach_no_shape(batch):
    module = small_module()
    negatives = {**batch, "negative": torch.ones(3, dtype=torch.bool), "search_size": torch.zeros(3, 2)}
    values = module.losses(negatives, torch.Generator().manual_seed(0))
    assert values["regression"] == 0
    assert values["overlap"] == 0
    values["loss"].backward()
    for name, parameter in module.network.named_parameters():
        if ".loc." in name:
            assert parameter.grad is None or not parameter.grad.any(), name
        elif parameter.grad is not None:
            assert torch.isfinite(parameter.grad).all(), name
    assert module.network.head.cls.conv_kernel[0].weight.grad.any()


@pytest.mark.slow
@pytest.mark.parametrize("head", ["depthwise", "up_channel"])
def test_heads_begin_undecided_and_learn_at_the_paper_s_rate(batch, head):
    module = small_module(backbone="alexnet_wide", head=head, hidden=64)
    module.backbone.requires_grad_(False)  # for speed
    optimiser = torch.optim.SGD(module.network.head.parameters(), 1e-2, momentum=0.9, weight_decay=5e-4)
    history = []
    for _ in range(12):
        values = module.losses(batch, torch.Generator().manual_seed(0))
        optimiser.zero_grad()
        values["loss"].backward()
        torch.nn.utils.clip_grad_norm_(module.network.head.parameters(), 10)
        optimiser.step()
        history.append({name: float(value.detach()) for name, value in values.items()})
    assert history[0]["classification"] == pytest.approx(math.log(2), abs=0.1)
    assert history[0]["regression"] < 2
    assert history[-1]["loss"] < 0.6 * history[0]["loss"]


@pytest.mark.parametrize(
    "changes", [{}, {"head": "up_channel", "ratios": (0.5, 1.0, 2.0)}, {"ratios": (0.25, *RATIOS, 4.0)}]
)
def test_what_is_trained_can_be_loaded(batch, changes, tmp_path):
    module = small_module(**changes)
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # one batch gives all statistics
    module.losses(batch, torch.Generator().manual_seed(0))
    path = tmp_path / "siamrpn.safetensors"
    save_weights(path, module.network.state_dict(), {**module.description(), "provenance": {}})
    loaded, own = load_tracker(path, device="cpu", precision="single"), module.tracker(module.network)
    images = made_sequence(frames=2, size=(320, 240))
    maps = []
    for tracker in (loaded, own):
        tracker.init(images.frames[0], images.boxes[0])
        maps.append(tracker.update(images.frames[1]).response.values)
    assert np.corrcoef(maps[0].ravel(), maps[1].ravel())[0, 1] > 0.99  # the file holds half precision
    assert maps[1].std() > 1e-3


def recipe_of(name):
    return read_recipe(SiamRPNTraining, yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())["training"])


PAPER = ["siamrpn_paper", "siamrpn_anchors3", "siamrpn_anchors7", "siamrpn_vid", "siamrpn_half"]


@pytest.mark.parametrize("name", PAPER)
def test_first_three_convolutions_stay_frozen_in_the_paper_s_recipe(name):
    recipe, features = recipe_of(name), WideAlexNet()
    for epoch in range(recipe.epochs):
        set_training(features, recipe.unfreezing, epoch, recipe.freeze_batch_norm)
        trained = [any(parameter.requires_grad for parameter in unit.parameters()) for unit in features.children()]
        assert trained == [False, False, False, True, True]
        assert [unit.training for unit in features.children()][:3] == [False] * 3


@pytest.mark.parametrize("name", PAPER)
def test_the_paper_s_recipe(name):
    """Section 5.1, 3.3 and 5.6."""
    recipe = recipe_of(name)
    assert (recipe.epochs, recipe.optimiser, recipe.lr_schedule) == (50, "sgd", "logarithmic")
    assert (recipe.lr, recipe.final_lr) == (1e-2, 1e-6)
    assert (recipe.loss.positive_iou, recipe.loss.negative_iou) == (0.6, 0.3)
    assert (recipe.loss.max_positives, recipe.loss.samples, recipe.loss.regression) == (16, 64, "smooth_l1")
    anchors = {"siamrpn_anchors3": 3, "siamrpn_anchors7": 7}.get(name, 5)
    assert len(recipe.ratios) == anchors
    assert recipe.head == "up_channel"
    whole = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    seconds = whole["data"]["pairs"]["seconds"]
    assert (int(seconds * 30), int(seconds * 1)) == (100, 3), (
        "frames of VID, and annotations of YouTube-BB, in an interval"
    )
