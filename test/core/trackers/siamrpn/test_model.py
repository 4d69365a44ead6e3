"""Which proposal the SiamRPN tracker selects, against a slow reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from made_siamrpn import CPU, FOLLOW, tracker_of
from torch.nn import functional

from siam_tracker_core import Box
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.networks import AlexNet
from siam_tracker_core.networks.siamese import SiameseNetwork
from siam_tracker_core.trackers.common.response import cosine_window, peak_to_sidelobe
from siam_tracker_core.trackers.siamrpn import SiamRPNConfig, SiamRPNModel
from siam_tracker_core.trackers.siamrpn.proposals import Preference, choose, rank, surrounding
from siam_tracker_core.trackers.tracker import Tracker

ANCHORS = ((104, 32), (88, 40), (64, 64), (40, 80), (32, 96))


def random_plan(seed):
    generator = torch.Generator().manual_seed(seed)

    def plan(number, cells):
        logits = torch.randn(5, cells, cells, generator=generator) * 2
        distances = torch.randn(4, 5, cells, cells, generator=generator) * 0.3
        seen.append((logits, distances))
        return logits, distances

    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    return plan, seen


def slow_update(box, logits, distances, config, image_size):
    """One frame, anchor by anchor, from section 4.3 and the reference values."""

    def square(width, height):
        margin = (width + height) / 2
        return math.sqrt((width + margin) * (height + margin))

    pixels = square(box[2], box[3]) / 127
    last_width, last_height = box[2] / pixels, box[3] / pixels
    best = None
    size = logits.shape[-1]
    middle = (size - 1) / 2
    hann = np.hanning(size + 2)[1:-1]
    for k, (anchor_width, anchor_height) in enumerate(ANCHORS):
        for row in range(size):
            for column in range(size):
                if config.centre_cells and max(abs(row - middle), abs(column - middle)) > config.centre_cells // 2:
                    continue
                score = 1 / (1 + math.exp(-float(logits[k, row, column])))
                dx, dy, dw, dh = (float(distances[part, k, row, column]) for part in range(4))
                width, height = anchor_width * math.exp(dw), anchor_height * math.exp(dh)
                ratio, last_ratio = height / width, last_height / last_width
                scale, last_scale = square(width, height), square(last_width, last_height)
                change = max(ratio / last_ratio, last_ratio / ratio) * max(scale / last_scale, last_scale / scale)
                penalty = math.exp(-(change - 1) * config.penalty_k)
                share = config.window_influence
                ranked = penalty * score * (1 - share) + hann[row] * hann[column] * share
                if best is None or ranked > best[0]:
                    x = (column - middle) * 8 + dx * anchor_width
                    y = (row - middle) * 8 + dy * anchor_height
                    best = (ranked, score, penalty, x * pixels, y * pixels, width * pixels, height * pixels)
    _, score, penalty, x, y, width, height = best
    rate = penalty * score * config.size_lr
    new_width = min(max(box[2] * (1 - rate) + width * rate, 10), image_size[0])
    new_height = min(max(box[3] * (1 - rate) + height * rate, 10), image_size[1])
    centre_x = min(max(box[0] + box[2] / 2 + x, 0), image_size[0])
    centre_y = min(max(box[1] + box[3] / 2 + y, 0), image_size[1])
    return np.array([centre_x - new_width / 2, centre_y - new_height / 2, new_width, new_height])


@pytest.mark.parametrize("cells", [0, 7])
@pytest.mark.parametrize(("seed", "first", "size"), [(0, None, 17), (1, None, 17), (2, (150, 100, 18, 16), 21)])
def test_boxes_equal_the_slow_reference(seed, first, size, cells):
    made = made_sequence(frames=6, size=(320, 240), seed=seed)
    plan, seen = random_plan(seed)
    tracker = tracker_of(plan, centre_cells=cells)
    box = made.boxes[0] if first is None else np.array(first, dtype=float)
    tracker.init(made.frames[0], box)
    for image in made.frames[1:]:
        result = tracker.update(image)
        assert seen[-1][0].shape[-1] == size
        box = slow_update(box, *seen[-1], tracker.config, (320, 240))
        np.testing.assert_allclose(result.box.to_array(), box, atol=1e-3)


def one_peak(row, column, anchor=2, logit=6.0):
    def plan(number, cells):
        logits, distances = torch.full((5, cells, cells), -6.0), torch.zeros(4, 5, cells, cells)
        if number:  # the first call is init's own look
            logits[anchor, row, column] = logit
        else:
            logits[2, cells // 2, cells // 2] = logit
        return logits, distances

    return plan


def test_only_anchors_of_the_central_cells_are_taken():
    made = made_sequence(frames=2, size=(320, 240))
    centre = Box.from_array(made.boxes[0]).centre
    for cells, moves in ((0, True), (7, False)):
        tracker = tracker_of(one_peak(8, 15), centre_cells=cells, window_influence=0.0, penalty_k=0.0)
        tracker.init(made.frames[0], made.boxes[0])
        found = tracker.update(made.frames[1]).box.centre
        assert (abs(found[0] - centre[0]) > 20) == moves


@pytest.mark.parametrize(("size", "cells", "taken"), [(17, 7, 7), (17, 8, 9), (24, 8, 8), (24, 7, 8), (17, 99, 17)])
def test_the_central_region_has_as_many_cells_as_asked_for(size, cells, taken):
    scores, boxes = torch.full((1, 5, size, size), 0.5), torch.ones(1, 5, size, size, 4)
    ranks = rank(scores, boxes, cosine_window(size, inner=True), [Preference(9, 9, cells=cells)]).ranks[0, 0]
    low = (size - taken) // 2
    assert (ranks >= 0).sum() == taken**2
    assert (ranks[low : low + taken, low : low + taken] >= 0).all()


def test_the_box_takes_the_shape_of_the_proposal():
    made = made_sequence(frames=30, size=(640, 480))
    tracker = tracker_of(one_peak(8, 8, anchor=4), penalty_k=0.0)
    tracker.init(made.frames[0], Box(300, 200, 64, 64))
    for image in made.frames[1:]:
        box = tracker.update(image).box
    assert box.height / box.width == pytest.approx(3, rel=0.05)


def test_the_response_covers_the_search_region():
    tracker = tracker_of(one_peak(8, 8))
    made = made_sequence(frames=2, size=(320, 240))
    tracker.init(made.frames[0], made.boxes[0])
    side = tracker.state.search_window.size
    response = tracker.update(made.frames[1]).response
    assert response.values.shape == (17, 17)
    assert response.values.argmax() == 8 * 17 + 8
    assert response.box.width == pytest.approx(side * 17 * 8 / 255)


def test_candidates_are_the_target_and_its_look_alike():
    def plan(number, cells):
        logits, distances = torch.full((5, cells, cells), -6.0), torch.zeros(4, 5, cells, cells)
        for column, score in ((8, 5.0), (9, 4.5), (14, 4.0)):  # the second one overlaps with the first
            logits[2, 8, column] = score
        return logits, distances

    made = made_sequence(frames=2, size=(320, 240))
    start = Box(140, 100, 40, 40)
    pixels = 80 / 127  # of the image, for one of the crop: the square around 40x40 and its context has a side of 80
    for cells, expected in ((0, [0, 6 * 8]), (9, [0])):
        tracker = tracker_of(plan, top_k=3, candidate_overlap=0.5, centre_cells=cells)
        tracker.init(made.frames[0], start)
        found = tracker.model.candidates(tracker.state, tracker.upload(made.frames[1]))
        assert [candidate.box.centre[0] for candidate in found][: len(expected)] == pytest.approx(
            [160 + shift * pixels for shift in expected], abs=1e-3
        )
        assert len([candidate for candidate in found if candidate.score > 0.9]) == len(expected)
        assert found[0].score == pytest.approx(1 / (1 + math.exp(-5)), abs=1e-5)
        assert found[0].box.width == pytest.approx(64 * pixels)
        assert tracker.box == start
    best = tracker.model.candidates(tracker.state, tracker.upload(made.frames[1]))[0].box
    assert tracker.update(made.frames[1]).box.centre == pytest.approx(best.centre, abs=1e-4)


def test_the_surroundings_of_a_cell_are_a_slice_of_the_map():
    maps = torch.arange(2 * 89 * 89.0).view(2, 89, 89)
    rows, columns = torch.tensor([40, 2]), torch.tensor([50, 88])
    parts, row, column = surrounding(maps, rows, columns, 17)
    assert torch.equal(parts[0], maps[0, 32:49, 42:59])
    assert torch.equal(parts[1], maps[1, 0:17, 72:89])
    assert (row.tolist(), column.tolist()) == ([8, 2], [8, 16])
    assert torch.equal(surrounding(maps, rows, columns, 89)[0], maps)


def test_a_peak_stands_out_alike_in_maps_of_any_size():
    torch.manual_seed(0)
    scores = torch.rand(1, 5, 89, 89) * 0.5
    scores[0, 3, 30, 60] = 0.9
    ranking = rank(scores, torch.ones(1, 5, 89, 89, 4), cosine_window(89, inner=True), [Preference(9, 9)])
    (choice,), maps = choose(ranking, 17, 4)
    usual = peak_to_sidelobe(maps[:, 22:39, 52:69], torch.tensor([8]), torch.tensor([8]), 4)
    assert choice.psr == pytest.approx(float(usual[0]), rel=1e-5)
    assert maps.shape == (1, 89, 89)


class WithoutAnchors(SiameseNetwork):
    """One box a cell, all of one size, and the surest one where the crop is brightest."""

    def __init__(self):
        super().__init__()
        self.backbone = AlexNet()

    def template(self, exemplars):
        return (torch.zeros(len(exemplars), 1),)

    def search(self, template, searches):
        scores = functional.avg_pool2d(searches.mean(dim=1, keepdim=True)[..., 59:196, 59:196], 9, 8) / 255
        size = scores.shape[-1]
        steps = (torch.arange(size) - (size - 1) / 2) * 8.0
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        boxes = torch.stack((x, y, torch.full_like(x, 80.0), torch.full_like(x, 48.0)), dim=-1)
        return scores, boxes.expand(len(searches), 1, -1, -1, -1)


def test_a_head_without_anchors_is_tracked_as_it_is():
    config = SiamRPNConfig(lost=FOLLOW, window_influence=0.0, small_share=0.0)
    tracker = Tracker(SiamRPNModel.from_network(WithoutAnchors(), config, CPU, precision="single"))
    rows, columns = np.ogrid[:240, :320]
    bump = 255 * np.exp(-((rows - 114.5) ** 2 + (columns - 164.5) ** 2) / (2 * 12**2))
    image = np.repeat(bump.astype(np.uint8)[..., None], 3, axis=2)
    tracker.init(image, Box(150, 100, 30, 30))
    moved = np.roll(image, 12, axis=1)
    for _ in range(40):
        box = tracker.update(moved).box
    assert box.centre == pytest.approx((177, 115), abs=4)
    assert box.width / box.height == pytest.approx(5 / 3, rel=0.1)
