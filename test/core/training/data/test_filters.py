"""Which targets and photographs are cut out at all, against a slow definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from siam_tracker_core.datasets.types import Still
from siam_tracker_core.training.data.filters import CropFilter
from siam_tracker_core.training.data.plan import LeftOut, Preparation, plan


def slow_reasons(box, visibility, width, height, f):
    """The filters as the reference values put them, one box at a time."""
    x, y, w, h = box
    if any(np.isnan(box)) or w <= 0 or h <= 0:
        return "absent"
    if visibility < f.least_visibility:
        return "visible"
    if w * h < f.least_area or min(w, h) < f.least_side or max(w, h) > f.largest_side:
        return "size"
    if not 1 / f.largest_aspect <= w / h <= f.largest_aspect:
        return "aspect"
    columns = sum(1 for column in np.arange(0, width, 0.5) if x <= column + 0.25 < x + w) / 2
    rows = sum(1 for row in np.arange(0, height, 0.5) if y <= row + 0.25 < y + h) / 2
    if columns * rows / (w * h) < f.least_inside:
        return "inside"
    return "share" if not f.least_share <= ((w * h) / (width * height)) ** 0.5 <= f.largest_share else ""


WORDS = {
    "absent": "absent",
    "visible": "visible",
    "size": "pixels",
    "aspect": "times",
    "inside": "in its image",
    "share": "of the image",
    "": "",
}


@settings(max_examples=200, deadline=None)
@given(
    st.tuples(*[st.integers(-80, 400).map(lambda n: n / 2)] * 2, *[st.integers(-4, 300).map(lambda n: n / 2)] * 2),
    st.sampled_from([0.0, 0.25, 0.35, 1.0]),
)
def test_filters_agree_with_their_definition(box, visibility):
    filters = CropFilter(largest_side=120)
    boxes = np.array([box], dtype=np.float64)
    reason = str(filters.reject_boxes(boxes, np.array([visibility]))[0])
    if not reason:
        reason = filters.reject_place(boxes[0], 160, 120)
    expected = slow_reasons(box, visibility, 160, 120, filters)
    assert bool(reason) == bool(expected)
    assert WORDS[expected] in reason


def test_boxes_of_nothing():
    reasons = CropFilter().reject_boxes(np.array([[np.nan] * 4, [1, 1, np.inf, 5], [1, 1, 30, 30]]), np.ones(3))
    assert reasons.tolist() == ["target absent", "target absent", ""]


def test_a_plan_keeps_a_photographs_targets_together(tmp_path):
    boxes = np.array([[10.0 * n, 10, 20, 20] for n in range(5)])
    stills = [Still(tmp_path / f"{n}.jpg", boxes) for n in range(6)]
    chunks = plan(stills, "stills", tmp_path, Preparation(shard_size=10), LeftOut())
    assert [chunk.frames for chunk in chunks] == [10, 10, 10]
    names = [piece.video for chunk in chunks for work in chunk.work for piece in work.pieces()]
    assert all(names[n] == names[n - n % 5] for n in range(30))
    assert len(set(names)) == 6
    assert list(names[::5]) != sorted(set(names))  # shuffled
