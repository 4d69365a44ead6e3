"""Figures by attribute and by sequence against the published formulas, frame by frame."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_otb import boxes, make_result, slow_scores

from siam_tracker_core.evaluation.attributes import by_attribute
from siam_tracker_core.evaluation.report.figures import sequences_table

pairs = st.lists(st.tuples(boxes, boxes), min_size=1, max_size=6)
labels = st.frozensets(st.sampled_from(["OCC", "SV", "BC"]))


def named(name: str, rows: list[tuple[list[float], list[float]]]) -> object:
    result = make_result([real for real, _ in rows], [box for _, box in rows])
    object.__setattr__(result, "name", name)
    return result


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(pairs, labels), min_size=1, max_size=5))
def test_an_attribute_is_the_mean_over_its_sequences(made: list[tuple[list, frozenset[str]]]) -> None:
    results = [named(str(index), rows) for index, (rows, _) in enumerate(made)]
    table = by_attribute({"t": results}, {str(index): codes for index, (_, codes) in enumerate(made)})  # type: ignore[dict-item]
    assert {row.code for row in table} == set().union(*(codes for _, codes in made))
    assert [row.sequences for row in table] == sorted((row.sequences for row in table), reverse=True)
    for row in table:
        members = [rows for rows, codes in made if row.code in codes]
        curves = [slow_scores([real for real, _ in rows], [box for _, box in rows]) for rows in members]
        assert row.sequences == len(members)
        for threshold in range(21):
            expected = sum(success[threshold] for success, _ in curves) / len(curves)
            assert row.scores["t"].success[threshold] == pytest.approx(expected, abs=1e-9)
        expected = sum(precision[20] for _, precision in curves) / len(curves)
        assert row.scores["t"].precision_20 == pytest.approx(expected, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(pairs, min_size=1, max_size=4), st.floats(1e-4, 2))
def test_each_sequence_has_its_own_figures(made: list[list], seconds: float) -> None:
    results = [named(str(index), rows) for index, rows in enumerate(made)]
    results[0].seconds[:] = seconds  # type: ignore[attr-defined]
    table = sequences_table({"t": results})  # type: ignore[dict-item]
    for rows, values in zip(made, table.rows, strict=True):
        figures = dict(zip(table.header, values, strict=True))
        success, precision = slow_scores([real for real, _ in rows], [box for _, box in rows])
        assert figures["success_auc"] == pytest.approx(sum(success) / 21, abs=1e-9)
        assert figures["precision_20"] == pytest.approx(precision[20], abs=1e-9)
        assert figures["frames"] == len(rows)
    assert dict(zip(table.header, table.rows[0], strict=True))["fps"] == pytest.approx(1 / seconds)


def test_a_tracker_that_finished_none_of_them_is_left_out_of_an_attribute() -> None:
    box = [[0.0, 0.0, 10.0, 10.0]]
    first, second = make_result(box, box), make_result(box, box)
    object.__setattr__(second, "name", "other")
    table = by_attribute({"a": [first, second], "b": [second]}, {"made": frozenset({"OCC"})})
    (row,) = table
    assert set(row.scores) == {"a"}
    assert row.title == "occlusion (1)"


def test_what_was_not_measured_is_null_and_empty(tmp_path: Path) -> None:
    nan = [math.nan] * 4
    box = [0.0, 0.0, 10.0, 10.0]
    table = sequences_table({"t": [make_result([box, nan], [box, np.array(nan)])]})  # type: ignore[list-item]
    table.write(tmp_path, "sequences")
    (record,) = json.loads((tmp_path / "sequences.json").read_text())
    assert record["fps"] is None
    assert record["success_auc"] == pytest.approx(20 / 21)
    header, line = (tmp_path / "sequences.csv").read_text().splitlines()
    assert dict(zip(header.split(","), line.split(","), strict=True))["fps"] == ""
