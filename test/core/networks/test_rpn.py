"""Anchors, heads and loss of the proposal network, against hand-made values and slow references."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from siam_tracker_core.networks import AlexNet, backbone, parameter_count
from siam_tracker_core.networks.anchors import (
    RATIOS,
    Anchors,
    anchor_sizes,
    centred_giou,
    centred_iou,
    decode,
    encode,
    suppress,
)
from siam_tracker_core.networks.ciresnet import DESCRIPTIONS
from siam_tracker_core.networks.joined_head import JoinedDepthwiseHead
from siam_tracker_core.networks.rpn import HEADS, DepthwiseHead, Proposals, SiamRPNNetwork, UpChannelHead
from siam_tracker_core.runtimes import TorchBackend
from siam_tracker_core.training.losses.proposals import Lesson, ProposalLoss, draw_anchors, proposal_loss, smooth_l1

sides = st.floats(8, 200)
places = st.floats(-100, 100)


def test_anchors_have_the_published_sizes() -> None:
    assert anchor_sizes() == [(104, 32), (88, 40), (64, 64), (40, 80), (32, 96)]


@pytest.mark.parametrize(
    ("ratios", "sizes"),
    [
        ((0.5, 1, 2), [(88, 40), (64, 64), (40, 80)]),
        (
            (0.25, 0.33, 0.5, 1, 2, 3, 4),
            [(128, 32), (104, 32), (88, 40), (64, 64), (40, 80), (32, 96), (32, 128)],
        ),
    ],
)
def test_anchors_of_table_3(ratios: tuple[float, ...], sizes: list[tuple[int, int]]) -> None:
    assert anchor_sizes(ratios) == sizes
    assert Anchors(ratios).grid(17).shape == (len(ratios), 17, 17, 4)


@pytest.mark.parametrize("size", [17, 20, 21])
def test_the_grid_is_centred_for_odd_and_even_sizes(size: int) -> None:
    grid = Anchors().grid(size)
    assert grid.shape == (5, size, size, 4)
    torch.testing.assert_close(grid[..., :2].mean(dim=(0, 1, 2)), torch.zeros(2))
    assert (grid[0, 0, 1] - grid[0, 0, 0]).tolist() == [8, 0, 0, 0]  # x runs along columns
    assert (grid[0, 1, 0] - grid[0, 0, 0]).tolist() == [0, 8, 0, 0]


@given(st.tuples(places, places, sides, sides), st.tuples(places, places, sides, sides))
def test_decoding_undoes_encoding(target: tuple[float, ...], anchor: tuple[float, ...]) -> None:
    box, place = (torch.tensor(values, dtype=torch.float64) for values in (target, anchor))
    torch.testing.assert_close(decode(encode(box, place), place), box)


def test_encoding_of_a_hand_made_box() -> None:
    distances = encode(torch.tensor([10.0, -6.0, 64.0, 128.0]), torch.tensor([2.0, 2.0, 32.0, 64.0]))
    torch.testing.assert_close(distances, torch.tensor([0.25, -0.125, math.log(2), math.log(2)]))


def test_anchors_have_one_size_on_grids_of_any_stride() -> None:
    fine, coarse = Anchors(stride=4).grid(33), Anchors(stride=8).grid(17)
    torch.testing.assert_close(fine[:, ::2, ::2], coarse)


def overlap_of(first: list[float], second: list[float]) -> float:
    sides = []
    for axis in (0, 1):
        low = max(box[axis] - box[axis + 2] / 2 for box in (first, second))
        high = min(box[axis] + box[axis + 2] / 2 for box in (first, second))
        sides.append(max(0.0, high - low))
    common = sides[0] * sides[1]
    return common / (first[2] * first[3] + second[2] * second[3] - common)


@given(st.tuples(places, places, sides, sides), st.tuples(places, places, sides, sides), sides, sides)
def test_generalised_iou_is_that_of_boxes_on_any_axes(first, second, across, down):
    """Algorithm 1: at most the IoU, above -1, 1 for equal boxes, and the same where the axes are scaled."""
    boxes = torch.tensor([first, second], dtype=torch.float64)
    value = float(centred_giou(boxes[0], boxes[1]))
    assert -1 < value <= float(centred_iou(boxes[0], boxes[1])) + 1e-9
    assert float(centred_giou(boxes[0], boxes[0])) == pytest.approx(1)
    scaled = boxes * torch.tensor([across, down, across, down], dtype=torch.float64)
    assert float(centred_giou(scaled[0], scaled[1])) == pytest.approx(value, abs=1e-6)


@given(
    st.lists(st.tuples(st.integers(0, 9), *[st.integers(0, 40)] * 2, *[st.integers(5, 30)] * 2), max_size=12),
    st.integers(1, 12),
    st.sampled_from([0.0, 0.3, 0.55]),
)
def test_suppression_keeps_what_one_by_one_is_kept(rows: list[tuple[int, ...]], top_k: int, overlap: float) -> None:
    table = torch.tensor(rows, dtype=torch.float32).view(-1, 5)
    kept: list[int] = []
    for place in sorted(range(len(rows)), key=lambda place: -rows[place][0])[:top_k]:
        box = [float(value) for value in rows[place][1:]]
        if all(overlap_of(box, [float(value) for value in rows[other][1:]]) <= overlap for other in kept):
            kept.append(place)
    assert suppress(table[:, 1:], table[:, 0], top_k, overlap).tolist() == kept


@pytest.mark.parametrize(("head", "millions"), [(UpChannelHead, 18.9), (DepthwiseHead, 2.50)])
def test_heads_have_the_published_parameters(head: type, millions: float) -> None:
    assert parameter_count(head(256)) / 1e6 == pytest.approx(millions, abs=0.02)


def slow_correlation(search: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """sum over channels of search (C, H, W) under kernel (C, h, w), window by window."""
    rows, columns = (search.shape[axis] - kernel.shape[axis] + 1 for axis in (1, 2))
    result = torch.zeros(rows, columns)
    for row in range(rows):
        for column in range(columns):
            part = search[:, row : row + kernel.shape[1], column : column + kernel.shape[2]]
            result[row, column] = (part * kernel).sum()
    return result


def test_the_paper_s_head_is_equation_2() -> None:
    torch.manual_seed(0)
    head = UpChannelHead(channels=3, anchors=2, hidden=4).eval()
    exemplars, searches = torch.randn(2, 3, 5, 5), torch.randn(2, 3, 9, 9)
    with torch.no_grad():
        proposals = head(searches, head.kernels(exemplars))
        for number in range(2):
            kernels = head.template_cls(exemplars[number : number + 1])[0].view(4, 4, 3, 3)
            search = head.search_cls(searches[number : number + 1])[0]
            expected = torch.stack([slow_correlation(search, kernel) for kernel in kernels])
            torch.testing.assert_close(proposals.logits[number].flatten(0, 1), expected, atol=1e-4, rtol=1e-4)


def test_the_depthwise_head_correlates_channel_by_channel() -> None:
    torch.manual_seed(0)
    head = DepthwiseHead(channels=3, anchors=2, hidden=4).eval()
    exemplars, searches = torch.randn(2, 3, 5, 5), torch.randn(2, 3, 9, 9)
    with torch.no_grad():
        proposals = head(searches, head.kernels(exemplars))
        for number in range(2):
            kernel = head.loc.conv_kernel(exemplars[number : number + 1])[0]
            search = head.loc.conv_search(searches[number : number + 1])[0]
            maps = torch.stack([slow_correlation(search[c : c + 1], kernel[c : c + 1]) for c in range(4)])
            expected = head.loc.head(maps[None])[0]
            torch.testing.assert_close(proposals.distances[number].flatten(0, 1), expected, atol=1e-4, rtol=1e-4)


def two_branches(network: SiamRPNNetwork, exemplar: torch.Tensor, search: torch.Tensor) -> Proposals:
    """Equation 2 for one pair from the layers of both branches, without kernels that are kept."""
    own, other = (margin or None for margin in (network.exemplar_margin, network.search_margin))
    z = network.backbone(exemplar)[..., own : -own if own else None, own : -own if own else None]
    x = network.backbone(search)[..., other : -other if other else None, other : -other if other else None]
    head = network.head
    if isinstance(head, UpChannelHead):
        maps = []
        for template, features in ((head.template_cls, head.search_cls), (head.template_reg, head.search_reg)):
            kernels = template(z)
            side = kernels.shape[-1]
            maps.append(functional.conv2d(features(x), kernels.view(-1, head.hidden, side, side)))
        classification, regression = maps[0], head.adjust_reg(maps[1])
    else:
        assert isinstance(head, DepthwiseHead)
        maps = []
        for branch in (head.cls, head.loc):
            kernels = branch.conv_kernel(z).transpose(0, 1)
            maps.append(branch.head(functional.conv2d(branch.conv_search(x), kernels, groups=len(kernels))))
        classification, regression = maps
    cells = classification.shape[-1]
    return Proposals(classification.view(1, 2, -1, cells, cells), regression.view(1, 4, -1, cells, cells))


@pytest.mark.slow
@pytest.mark.parametrize("head", sorted(HEADS))
@pytest.mark.parametrize(
    ("name", "margins"), [("alexnet_wide", (0, 0)), ("ciresnet22", (0, 0)), ("mobilenetv2", (4, 2))]
)
def test_the_pruned_detector_gives_the_maps_of_both_branches(head: str, name: str, margins: tuple[int, int]) -> None:
    """What tracks, with kernels of six targets kept and its network made ready, beside pair after pair in training."""
    torch.manual_seed(0)
    features = backbone(name)
    network = SiamRPNNetwork(features, HEADS[head](features.out_channels, hidden=8), RATIOS, *margins).eval()
    for layer in network.modules():  # statistics that folding could get wrong
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(std=0.1)  # type: ignore[union-attr]
            layer.running_var.uniform_(0.5, 2.0)  # type: ignore[union-attr]
    exemplars, searches = torch.rand(6, 3, 127, 127) * 255, torch.rand(6, 3, 255, 255) * 255
    with torch.inference_mode():
        pairs = [
            two_branches(network, exemplar[None].flip(1), search[None].flip(1))
            for exemplar, search in zip(exemplars, searches, strict=True)
        ]
        backend = TorchBackend(copy.deepcopy(network), torch.device("cpu"), "single")
        scores, boxes = backend.search(backend.template(exemplars), searches)
    whole = torch.cat([pair.scores for pair in pairs])
    torch.testing.assert_close(scores, whole, rtol=1e-3, atol=1e-3)
    distances = torch.cat([pair.distances for pair in pairs]).permute(0, 2, 3, 4, 1)
    distances = torch.cat((distances[..., :2], distances[..., 2:].clamp(-4, 4)), dim=-1)
    found = encode(boxes, network.anchors.grid(scores.shape[-1]))
    torch.testing.assert_close(found, distances, rtol=1e-3, atol=1e-3 * float(distances.abs().max()))


def test_only_a_head_without_normalisations_is_joined() -> None:
    with pytest.raises(ValueError, match="folded"):
        JoinedDepthwiseHead(DepthwiseHead(8, hidden=4))


SETS = ((0.5, 1.0, 2.0), RATIOS, (0.25, 0.33, 0.5, 1.0, 2.0, 3.0, 4.0))


@pytest.mark.parametrize("head", sorted(HEADS))
@pytest.mark.parametrize(("number", "name"), enumerate(DESCRIPTIONS))
def test_heads_fit_every_cir_backbone_and_set_of_anchors(head: str, number: int, name: str) -> None:
    """Features do not depend on the anchors, so the sets take turns."""
    ratios = SETS[number % len(SETS)]
    with torch.device("meta"):  # shapes alone
        features = backbone(name)
        network = SiamRPNNetwork(features, HEADS[head](features.out_channels, len(ratios), 4), ratios)
    cells = 33 if name == "ciresnet43" else 17
    with torch.no_grad():
        exemplar, search = (torch.empty(1, 3, size, size, device="meta") for size in (127, 255))
        proposals = network(exemplar, search)
    assert proposals.scores.shape == (1, len(ratios), cells, cells)
    assert network.anchors.grid(cells).shape[:3] == proposals.scores.shape[1:]


def test_gradients_flow_into_both_branches() -> None:
    torch.manual_seed(0)
    network = SiamRPNNetwork(AlexNet(), DepthwiseHead(256, hidden=8))
    exemplars = (torch.rand(1, 3, 127, 127) * 255).requires_grad_()
    searches = (torch.rand(1, 3, 255, 255) * 255).requires_grad_()
    network(exemplars, searches).distances.square().sum().backward()
    assert exemplars.grad is not None
    assert exemplars.grad.abs().sum() > 0
    assert searches.grad is not None
    assert searches.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("name", "margins", "cells"),
    [("alexnet_wide", (0, 0), 17), ("ciresnet22", (0, 0), 17), ("mobilenetv2", (4, 2), 21)],
)
@pytest.mark.parametrize(("right", "down"), [(0, 0), (24, -16)])
def test_the_grid_tells_where_the_exemplar_lies(
    name: str, margins: tuple[int, int], cells: int, right: int, down: int
) -> None:
    """Features of a part of the search image match those of that image best at the anchor in the part's middle."""
    torch.manual_seed(0)
    network = SiamRPNNetwork(backbone(name), DepthwiseHead(backbone(name).out_channels, hidden=8), RATIOS, *margins)
    search = functional.interpolate(torch.rand(1, 3, 64, 64) * 255, 255, mode="bicubic")
    exemplar = search[..., 64 + down : 191 + down, 64 + right : 191 + right]
    features: list[torch.Tensor] = []
    network.head.kernels = features.append  # type: ignore[assignment,method-assign]
    with torch.no_grad():
        network.eval().template(exemplar)
        x = network.embed(search)
    z = features[0] - features[0].mean(dim=(2, 3), keepdim=True)
    energy = functional.conv2d(x.square(), torch.ones_like(z))
    likeness = functional.conv2d(x, z) / energy.sqrt()
    assert likeness.shape[-1] == cells
    place = int(likeness.argmax())
    centre = network.anchors.grid(cells)[0, place // cells, place % cells, :2]
    assert centre.tolist() == [right, down]


def test_drawn_anchors_keep_thresholds_and_numbers() -> None:
    grid = Anchors().grid(17)
    targets = torch.tensor([[4.0, -10.0, 70.0, 60.0], [0.0, 0.0, 64.0, 64.0]])
    settings = ProposalLoss(max_positives=5, samples=20)
    lesson = draw_anchors(grid, targets, torch.tensor([False, True]), settings, torch.Generator().manual_seed(0))
    overlap = centred_iou(grid, targets[:, None, None, None])
    assert (overlap[0][lesson.positive[0]] > 0.6).all()
    assert (overlap[0][lesson.negative[0]] < 0.3).all()
    assert lesson.positive.flatten(1).sum(dim=1).tolist() == [5, 0]
    assert (lesson.positive | lesson.negative).flatten(1).sum(dim=1).tolist() == [20, 20]


def test_loss_of_a_hand_made_map() -> None:
    logits = torch.zeros(1, 2, 1, 1, 2)
    logits[0, 1, 0, 0, 0] = math.log(3)  # probability 3/4 of "target" at the positive, 1/2 at the negative
    distances = torch.zeros(1, 4, 1, 1, 2)
    lesson_distances = torch.zeros(1, 1, 1, 2, 4)
    lesson_distances[0, 0, 0, 0] = torch.tensor([1.0, 0.0, 0.1, 0.0])
    positive = torch.tensor([True, False]).view(1, 1, 1, 2)
    lesson = Lesson(positive, ~positive, lesson_distances)
    classification, regression = proposal_loss(Proposals(logits, distances), lesson, ProposalLoss(sigma=3.0))
    assert classification.item() == pytest.approx(0.5 * -math.log(0.75) + 0.5 * math.log(2))
    # |1| is beyond 1/9: 1 - 1/18; 0.1 is below: 0.5 * 9 * 0.01
    assert regression.item() == pytest.approx(1 - 1 / 18 + 0.045)
    _, plain = proposal_loss(Proposals(logits, distances), lesson, ProposalLoss(regression="l1"))
    assert plain.item() == pytest.approx(1.1)


def test_smooth_l1_is_continuous_where_it_bends() -> None:
    bend = 1 / 9
    below, above = smooth_l1(torch.tensor([bend - 1e-6, bend + 1e-6]), 3.0).tolist()
    assert below == pytest.approx(above, abs=1e-5)
