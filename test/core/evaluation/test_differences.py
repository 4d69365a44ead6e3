"""The difference of two trackers is paired by sequence, and its error is that of the textbook."""

from __future__ import annotations

import csv
import math
import statistics
from pathlib import Path

import numpy as np
import pytest

from siam_tracker_core.commands.tables import accuracy_table
from siam_tracker_core.evaluation.differences import Behind, behind, success_by_sequence, with_error
from siam_tracker_core.evaluation.report.otb import write_report
from siam_tracker_core.evaluation.results import SequenceResult

# Success AUC of a sequence in which so many of 20 frames are hit exactly and the others missed.
OF_A_HIT = 20 / 21 / 20


def result(name: str, hits: int) -> SequenceResult:
    truth = np.tile([10.0, 10, 40, 30], (20, 1))
    found = truth.copy()
    found[hits:, 0] += 400
    return SequenceResult(name, truth, found)


def results(**hits: int) -> list[SequenceResult]:
    return [result(name.replace("_at_", "@"), count) for name, count in hits.items()]


def lacking(ours: list[SequenceResult], theirs: list[SequenceResult]) -> Behind | None:
    return behind(success_by_sequence(ours), success_by_sequence(theirs))


def test_it_is_paired_and_its_error_is_the_textbooks() -> None:
    lack = lacking(results(a=4, b=20, c=9, d=1), results(d=5, a=10, b=18, c=12, e=1))
    assert lack is not None
    expected = [count * OF_A_HIT for count in (6, -2, 3, 4)]
    assert lack.success_auc == pytest.approx(statistics.mean(expected))
    assert lack.standard_error == pytest.approx(statistics.stdev(expected) / math.sqrt(4))
    assert (lack.sequences, lack.better_on) == (4, 1)


def test_the_runs_of_a_sequence_are_one_sample() -> None:
    lack = lacking(results(a=4, a_at_last=8, b=10), results(a=6, a_at_last=12, b=10))
    assert lack is not None
    assert lack.sequences == 2
    assert lack.success_auc == pytest.approx(statistics.mean([3, 0]) * OF_A_HIT)


def test_one_sequence_has_no_error_and_none_no_difference() -> None:
    lack = lacking(results(a=4), results(a=6, b=1))
    assert lack is not None
    assert lack.standard_error is None
    assert with_error(lack.figures()) == f"{2 * OF_A_HIT:.3f}"
    assert lacking(results(a=4), results(b=4)) is None


def test_report_tables_and_files_tell_it(tmp_path: Path) -> None:
    told = {"good": results(a=20, b=16), "bad": results(a=10, b=4)}
    summaries = write_report(tmp_path, told, title="t", command="c", seen={"bad": ["a"]})
    assert "behind_best" not in summaries["good"]
    shown = f"{11 * OF_A_HIT:.3f} ± {OF_A_HIT:.3f}"
    assert with_error(summaries["bad"]["behind_best"]) == shown
    assert shown in (tmp_path / "report.html").read_text()
    good, bad = accuracy_table(summaries).splitlines()[2:]
    assert shown in bad
    assert "±" not in good
    with (tmp_path / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["behind_best_sequences"] for row in rows] == ["", "2"]
    assert [row["seen"] for row in rows] == ["", "a"]
    assert [row["frames"] for row in rows] == ["40", "40"]
