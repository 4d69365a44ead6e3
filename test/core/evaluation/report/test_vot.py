"""The report of VOT's experiments: what it ranks, plots and draws."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from html_page import Page

pytest.importorskip("shapely")

from siam_tracker_core.datasets import Sequence
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.evaluation.report.vot import figures_of, write_vot_report
from siam_tracker_core.evaluation.resolve import TrackerSpec
from siam_tracker_core.evaluation.vot import VotEvaluation, evaluate_vot

FRAMES = 110
TRUTH = np.array([20.0, 30, 40, 30])


@pytest.fixture(scope="module")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> list[Sequence]:
    """Two sequences with enough frames for an EAO; one with polygons and a tag."""
    path = tmp_path_factory.mktemp("frames") / "0001.jpg"
    cv2.imwrite(str(path), np.full((96, 128, 3), 90, np.uint8))
    boxes = np.tile(TRUTH, (FRAMES, 1))
    polygon = np.array([[20.0, 30], [60, 30], [60, 60], [20, 60]])
    easy = Sequence("easy & <plain>", (path,) * FRAMES, boxes)
    tags = {"occlusion": np.arange(FRAMES) % 2 == 0}
    hard = Sequence("hard", (path,) * FRAMES, boxes, polygons=(polygon,) * FRAMES, tags=tags)
    return [easy, hard]


def scripted(offset: float, fails: bool = False) -> object:
    """A tracker that is ``offset`` pixels off, and fails once in every two sequences, in the second, if at all."""
    starts, updates = [0], [0]

    def init(image: np.ndarray, box: object) -> None:
        starts[0], updates[0] = starts[0] + 1, 0

    def update(image: np.ndarray) -> np.ndarray:
        updates[0] += 1
        gone = fails and starts[0] % 3 == 2 and updates[0] == 3
        return TRUTH + np.array([60.0 if gone else offset, 0, 0, 0])

    return SimpleNamespace(init=init, update=update, deterministic=True)


@pytest.fixture(scope="module")
def evaluation(sequences: list[Sequence], tmp_path_factory: pytest.TempPathFactory) -> VotEvaluation:
    specs = [TrackerSpec("shaky", scripted(8, fails=True)), TrackerSpec("steady", scripted(2))]  # type: ignore[arg-type]
    return evaluate_vot(specs, sequences, tmp_path_factory.mktemp("vot"), year="2017", show_progress=False)


def test_the_page_is_whole_and_ranks_by_eao(
    evaluation: VotEvaluation, sequences: list[Sequence], tmp_path: Path
) -> None:
    summaries = write_vot_report(tmp_path, evaluation, sequences, title="Made", command="siam-tracker evaluate vot")
    assert list(summaries) == ["steady", "shaky"]
    assert json.loads((tmp_path / "summary.json").read_text()) == summaries
    scores = evaluation.scores["shaky"]
    assert summaries["shaky"]["eao"] == pytest.approx(scores["supervised"].eao)
    assert summaries["shaky"]["failures"] == scores["supervised"].failures > 0
    assert summaries["shaky"]["realtime"] == figures_of(scores["realtime"])
    text = (tmp_path / "report.html").read_text()
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    assert "<script" not in text
    assert text.count("data:image/jpeg") == 2 * 8, "both sequences, eight frames each"
    for shown in (
        "Supervised experiment",
        "Real-time experiment",
        f"steady [{summaries['steady']['eao']:.3f}]",
        "occlusion (55 frames)",
        "easy & <plain>",
        "lengths from 100 to 356",
        "started again 5 frames later",
        "a clock of 25 images a second",
    ):
        assert shown in page.text


def test_every_plot_has_its_values(evaluation: VotEvaluation, sequences: list[Sequence], tmp_path: Path) -> None:
    write_vot_report(tmp_path, evaluation, sequences, title="t", command="c")
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    drawn = {name.removesuffix(".svg") for name in names if name.endswith(".svg")}
    kinds = ("eao", "eao-curve", "ar", "tags", "speed")
    assert drawn == {f"{kind}-{experiment}" for kind in kinds for experiment in ("supervised", "realtime")}
    assert names == {f"{name}.{kind}" for name in drawn for kind in ("svg", "csv", "json")}
    curve = json.loads((tmp_path / "plots" / "eao-curve-supervised.json").read_text())
    known = evaluation.scores["steady"]["supervised"].eao_curve
    np.testing.assert_allclose([row["steady"] for row in curve][: len(known)], known)
    inside = [row["steady"] for row in curve if 100 <= row["length"] <= 356]
    assert np.mean(inside) == pytest.approx(evaluation.scores["steady"]["supervised"].eao), "the EAO is its mean"
    points = json.loads((tmp_path / "plots" / "ar-supervised.json").read_text())
    assert [(row["robustness"], row["accuracy"]) for row in points] == [
        evaluation.scores[name]["supervised"].ar_point for name in ("steady", "shaky")
    ]
    with (tmp_path / "sequences.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["experiment"] == "supervised"]
    assert len(rows) == 4
    for row in rows:
        figures = evaluation.scores[row["tracker"]]["supervised"].per_sequence[row["sequence"]]
        assert (float(row["accuracy"]), float(row["failures"])) == figures


def test_short_sequences_have_no_eao_but_a_report(sequences: list[Sequence], tmp_path: Path) -> None:
    short = [sequence.head(30) for sequence in sequences]
    specs = [TrackerSpec("steady", scripted(2)), TrackerSpec("off", scripted(10))]  # type: ignore[arg-type]
    evaluation = evaluate_vot(
        specs, short, tmp_path / "vot", year="2017", experiments=("supervised",), show_progress=False
    )
    summaries = write_vot_report(tmp_path, evaluation, short, title="t", command="c")
    assert summaries["steady"]["eao"] is None
    assert list(summaries) == ["steady", "off"], "by accuracy where there is no EAO"
    page = Page((tmp_path / "report.html").read_text())
    assert "steady [–]" in page.text
    assert "Real-time" not in page.text.replace("Real time:", "")


def test_film_strips_show_the_overlaps_that_are_scored(sequences: list[Sequence], tmp_path: Path) -> None:
    """Only what is inside the image counts: 20 of 30 columns here, and 30 of 50 with what is outside."""
    outside = replace(sequences[0], name="outside", boxes=sequences[0].boxes * [0, 1, 1, 1] - [20, 0, 0, 0]).head(30)
    tracker = SimpleNamespace(
        init=lambda image, box: None, update=lambda image: outside.boxes[1] + [10, 0, 0, 0], deterministic=True
    )
    evaluation = evaluate_vot([TrackerSpec("off", tracker)], [outside], tmp_path, year="2017", show_progress=False)
    assert evaluation.scores["off"]["supervised"].accuracy == pytest.approx(2 / 3)
    write_vot_report(tmp_path, evaluation, [outside], title="t", command="c")
    text = Page((tmp_path / "report.html").read_text()).text
    assert text.count("0.67") == 7, "every picture but that of the start"


def test_a_crash_is_in_the_table_and_in_a_warning(
    evaluation: VotEvaluation, sequences: list[Sequence], tmp_path: Path
) -> None:
    scores = evaluation.scores["shaky"]["supervised"]
    part = replace(scores, per_sequence={"hard": scores.per_sequence["hard"]})
    crashed = replace(evaluation, scores=evaluation.scores | {"shaky": {"supervised": part}})
    write_vot_report(tmp_path, crashed, sequences, title="t", command="c")
    text = Page((tmp_path / "report.html").read_text()).text
    assert "crashed" in text
    assert "Means do not compare: of 2 sequences, shaky on 1 only." in text


def test_nothing_to_report_is_an_error(evaluation: VotEvaluation, sequences: list[Sequence], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="none finished any sequence"):
        write_vot_report(tmp_path, replace(evaluation, scores={}), sequences, title="t", command="c")
