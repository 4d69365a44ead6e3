"""Legends and labels that stay readable, also with long names."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from siam_tracker_core.evaluation.report.plot_style import label_points, legend_columns

NAMES = [f"srt+srt_without_part_{number} [0.{number}00]" for number in range(5)]


@pytest.mark.parametrize(
    ("labels", "columns"), [(["srt [0.3]", "kcf [0.2]", "csrt [0.4]"], 2), (NAMES, 1), (NAMES[:1], 1)]
)
def test_a_legend_is_no_wider_than_its_figure(labels, columns):
    width = 5.4
    assert legend_columns(labels, width, 2) == columns
    figure = Figure(figsize=(width, 4), layout="constrained")
    axes = figure.subplots()
    for label in labels:
        axes.plot([0, 1], label=label)
    legend = figure.legend(loc="outside lower left", ncols=columns, fontsize=9.5, handlelength=2.6, frameon=False)
    figure.draw_without_rendering()
    assert legend.get_window_extent().x1 <= figure.bbox.x1


points = st.tuples(st.floats(0.05, 0.6), st.floats(0.3, 0.7))


@settings(max_examples=30, deadline=None)
@given(st.lists(points, min_size=1, max_size=7, unique=True))
def test_labels_run_into_no_other_label_or_point(places):
    figure = Figure(figsize=(9, 6))
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    label_points(axes, [(x, y, f"tracker {number}") for number, (x, y) in enumerate(places)])
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == len(places)
    for one, other in itertools.combinations(boxes, 2):
        assert min(one.x1, other.x1) <= max(one.x0, other.x0) or min(one.y1, other.y1) - max(one.y0, other.y0) < 3
    for (x, y), box in itertools.product([axes.transData.transform(place) for place in places], boxes):
        assert not (box.x0 < x < box.x1 and box.y0 < y < box.y1)


def test_a_label_that_is_in_nobodys_way_is_beside_its_point():
    axes = Figure().subplots()
    label_points(axes, [(0.2, 0.2, "one"), (0.2, 0.8, "other")])
    assert [text.xyann for text in axes.texts] == [(9, 0), (9, 0)]
