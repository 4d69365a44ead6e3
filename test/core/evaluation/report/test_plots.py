"""The plots of a report: the same each time, readable, and with their values beside them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_results import made_result, write_frames

from siam_tracker_core.evaluation import otb
from siam_tracker_core.evaluation.report import palette, plots
from siam_tracker_core.evaluation.report.film_strip import chosen_frames, film_strip
from siam_tracker_core.evaluation.report.otb import write_report
from siam_tracker_core.evaluation.results import SequenceResult


def test_the_ranking_plot_has_both_scores_of_each_tracker(
    tmp_path: Path, many: dict[str, list[SequenceResult]]
) -> None:
    write_report(tmp_path / "out", many, title="t", command="c")
    rows = {row["tracker"]: row for row in json.loads((tmp_path / "out" / "plots" / "ranking.json").read_text())}
    for name, of_tracker in many.items():
        areas, shares = [], []
        for result in of_tracker:  # by the definitions, frame by frame
            frames = [frame for frame in range(len(result)) if not np.isnan(result.truth[frame]).any()]
            shift = {frame: result.predicted[frame, 0] - result.truth[frame, 0] for frame in frames}
            shift[0] = 0.0
            overlap = [0.0 if np.isnan(shift[f]) else max(0.0, (40 - shift[f]) / (40 + shift[f])) for f in frames]
            areas.append(np.mean([np.mean([value > step / 20 for value in overlap]) for step in range(21)]))
            shares.append(np.mean([shift[frame] <= 20 for frame in frames]))
        assert rows[name]["success_auc"] == pytest.approx(np.mean(areas))
        assert rows[name]["precision_20"] == pytest.approx(np.mean(shares))
    drawn = (tmp_path / "out" / "plots" / "ranking.svg").read_text()
    assert "precision at 20 px" in drawn
    assert "worse" in drawn


def test_plots_repeat_to_the_letter() -> None:
    results = {"t": made_result("a", 20)}
    assert plots.overlap_plot(results, {"t": 0}) == plots.overlap_plot(results, {"t": 0})


def test_the_film_strip_shows_the_loss(tmp_path: Path) -> None:
    result = made_result("a", 100, count=100)
    frames = chosen_frames(result, 6)
    assert (frames[0], frames[-1], len(frames)) == (0, 99, 6)
    assert int(np.flatnonzero(otb.lost_frames(result))[0]) in frames
    shots = film_strip({"t": made_result("a", 20, frames=write_frames(tmp_path))}, {"t": 0}, 4)
    assert shots[0].frame == 1
    picture = cv2.imdecode(np.frombuffer(shots[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (360, 480, 3)
    drawn = np.abs(picture.astype(int) - np.array(palette.bgr(palette.film_colour(0)))).sum(axis=2).min()
    assert drawn < 60, "the track has its tracker's colour"


def test_a_short_sequence_has_a_short_strip() -> None:
    assert chosen_frames(made_result("a", 0, count=3), 8) == [0, 1, 2]


def test_every_plot_has_its_values_as_csv_and_json(tmp_path: Path, many: dict[str, list[SequenceResult]]) -> None:
    labels = {"third": frozenset({"OCC", "SV"}), "fourth": frozenset({"SV"})}
    write_report(tmp_path, many, title="t", command="c", labels=labels)
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    drawn = {name.removesuffix(".svg") for name in names if name.endswith(".svg")}
    assert drawn >= {"success", "precision", "latency", "speed", "attributes", "attribute-OCC", "overlap-third"}
    assert names == {f"{name}.{kind}" for name in drawn for kind in ("svg", "csv", "json")}
    overlaps = json.loads((tmp_path / "plots" / "overlap-third.json").read_text())
    np.testing.assert_allclose(
        [row["better"] if row["better"] is not None else np.nan for row in overlaps], otb.overlaps(many["better"][2])
    )
    for name, of_tracker in many.items():
        times = np.concatenate([result.seconds[1:] for result in of_tracker]) * 1e3
        written = [row[f"{name}_ms"] for row in json.loads((tmp_path / "plots" / "latency.json").read_text())]
        np.testing.assert_allclose(written, np.percentile(times, np.arange(101)))


def test_a_label_keeps_off_the_mark_of_the_next_point() -> None:
    figures = {"long-name": {"fps": 30.0, "success_auc": 0.5}, "b": {"fps": 36.0, "success_auc": 0.5}}
    svg = plots.speed_plot(figures, {"long-name": 0, "b": 1})
    assert svg is not None
    heights = {name: float(y) for y, name in re.findall(r'y="([\d.]+)"[^>]*>(long-name|b)</text>', svg)}
    assert heights["b"] - heights["long-name"] > 9, "the label of the left point would lie on the right point"


def test_labels_of_neighbouring_points_keep_apart() -> None:
    figures = {name: {"fps": 30.0, "success_auc": 0.5 + 0.001 * place} for place, name in enumerate("abcdef")}
    svg = plots.speed_plot(figures, {name: place for place, name in enumerate(figures)})
    assert svg is not None
    places = {name: height for height, name in re.findall(r'y="([\d.]+)"[^>]*>([a-f])</text>', svg)}
    heights = sorted(float(height) for height in places.values())
    assert len(heights) == 6
    assert min(np.diff(heights)) > 9
