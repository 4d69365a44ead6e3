"""What a target's own frame tells of the size of a network's boxes, and what becomes of later boxes by it."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_siamrpn import tracker_of

from siam_tracker_core import Box
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.trackers.siamrpn.excess import Excess
from siam_tracker_core.trackers.siamrpn.proposals import Proposal

SIDES = st.floats(8, 200)


def proposal(width, height, dx=0.0, dy=0.0):
    return Proposal(0.9, 5.0, dx, dy, width, height, 1.0)


@given(width=SIDES, height=SIDES, wider=st.floats(0.75, 1.4), higher=st.floats(0.75, 1.4), share=st.floats(0, 1))
def test_a_box_as_wrong_as_the_first_one_is_put_right_by_the_share(width, height, wider, higher, share):
    excess = Excess.of(proposal(width * wider, height * higher), width, height, share)
    put_right = excess.removed(50 * wider, 70 * higher)
    assert put_right == pytest.approx((50 * wider ** (1 - share), 70 * higher ** (1 - share)))
    assert excess.added(*put_right) == pytest.approx((50 * wider, 70 * higher))


@pytest.mark.parametrize(
    "own",
    [
        proposal(64.0, 64.0, dx=60.0),  # beside it
        proposal(20.0, 20.0),  # a part of it
        proposal(math.nan, 64.0),
        proposal(math.inf, 64.0),
        proposal(0.0, 64.0),
    ],
)
def test_what_is_not_the_target_tells_nothing(own):
    assert Excess.of(own, 64.0, 64.0, 1.0) == (1.0, 1.0)


def test_one_wrong_look_changes_no_side_by_more_than_two():
    assert Excess.of(proposal(62.0, 64.0), 20.0, 64.0, 1.0) == (2.0, 1.0)


@pytest.mark.parametrize(("own_size", "ratio"), [(0.0, 3.0), (0.5, math.sqrt(3.0)), (1.0, 1.0)])
def test_a_target_that_always_looks_too_high_keeps_its_shape(own_size, ratio):
    """The network says 1:3 of a square, in its own frame and ever after; without penalty a box takes that on."""

    def plan(number, cells):
        logits, distances = torch.full((5, cells, cells), -6.0), torch.zeros(4, 5, cells, cells)
        logits[4, cells // 2, cells // 2] = 6.0
        return logits, distances

    made = made_sequence(frames=40, size=(640, 480))
    tracker = tracker_of(plan, penalty_k=0.0, own_size=own_size)
    tracker.init(made.frames[0], Box(300, 200, 64, 64))
    for image in made.frames[1:]:
        box = tracker.update(image).box
    assert box.height / box.width == pytest.approx(ratio, rel=0.05)


def test_a_box_that_reaches_out_of_the_picture_tells_nothing():
    def plan(number, cells):
        logits, distances = torch.full((5, cells, cells), -6.0), torch.zeros(4, 5, cells, cells)
        logits[3, cells // 2, cells // 2] = 6.0
        return logits, distances

    made = made_sequence(frames=1, size=(640, 480))
    for left, tells in ((0.0, True), (-20.0, False)):
        tracker = tracker_of(plan, own_size=1.0)
        tracker.init(made.frames[0], Box(left, 200, 64, 64))
        assert (tracker.state.target.excess != (1.0, 1.0)) == tells


def test_candidates_have_the_size_that_results_have():
    def plan(number, cells):
        logits, distances = torch.full((5, cells, cells), -6.0), torch.zeros(4, 5, cells, cells)
        logits[3, cells // 2, cells // 2] = 6.0  # 40 by 80 pixels of the crop
        return logits, distances

    made = made_sequence(frames=2, size=(640, 480))
    shapes = {}
    for own_size in (0.0, 1.0):
        tracker = tracker_of(plan, own_size=own_size)
        tracker.init(made.frames[0], Box(300, 200, 64, 64))
        first = tracker.model.candidates(tracker.state, tracker.upload(made.frames[1]))[0]
        shapes[own_size] = first.box.height / first.box.width
    assert shapes == pytest.approx({0.0: 2.0, 1.0: 1.0})
