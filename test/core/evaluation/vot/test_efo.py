"""VOT's normalised speed against the toolkit's loops and formulas, written out."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("shapely")

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.evaluation.vot.efo import (
    equivalent_filter_operations,
    max_filter,
    read_performance,
    write_performance,
)
from siam_tracker_core.evaluation.vot.runs import FrameCode, SupervisedRun


def test_the_filter_takes_the_maxima_of_windows_inside_the_picture() -> None:
    image = np.random.default_rng(0).random((31, 26))
    expected = np.empty_like(image)
    for row in range(31):
        for column in range(26):
            around = [
                image[row + down, column + across]
                for down in range(-10, 11)
                for across in range(-10, 11)
                if 0 <= row + down < 31 and 0 <= column + across < 26
            ]
            expected[row, column] = max(around)
    np.testing.assert_array_equal(max_filter(torch.from_numpy(image)).numpy(), expected)


def run(name: str, repetition: int, seconds: list[float]) -> SupervisedRun:
    """Frames without time were skipped after a failure in the frame before them."""
    codes = np.full(len(seconds), FrameCode.TRACKED, np.int8)
    codes[0] = FrameCode.INITIALISED
    skipped = np.flatnonzero(np.isnan(seconds))
    if len(skipped):
        codes[skipped] = FrameCode.UNKNOWN
        codes[skipped[0] - 1], codes[skipped[-1] + 1] = FrameCode.FAILED, FrameCode.INITIALISED
    regions = tuple(np.array([0.0, 0, 4, 4]) if code == FrameCode.TRACKED else None for code in codes)
    return SupervisedRun(name, repetition, regions, codes, np.array(seconds))


def test_efo_is_what_the_toolkit_makes_of_times_and_failures() -> None:
    gap, filter_time = [math.nan] * 4, 0.4
    seconds = {
        "one": [[0.5, 0.1, 0.2, *gap, 0.6, 0.1], [0.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.3]],
        "two": [[0.9, 0.3, 0.3]],
    }
    by_hand = []
    for of_sequence in seconds.values():
        normalised = []
        for times in of_sequence:  # analyze_speed.m takes skipped frames as 0, normalize_speed.m takes them out again
            length, failures = len(times), int(any(map(math.isnan, times)))
            average = sum(0.0 if math.isnan(value) else value for value in times) / length
            normalised.append(average * length / (length - (5 - 1) * failures) / filter_time)
        by_hand.append(1 / (sum(normalised) / len(normalised)))
    runs = {
        name: [run(name, number, times) for number, times in enumerate(of_sequence, start=1)]
        for name, of_sequence in seconds.items()
    }
    assert equivalent_filter_operations(runs, filter_time) == pytest.approx(sum(by_hand) / 2)
    assert math.isnan(equivalent_filter_operations(runs, None))
    untimed = {"one": [run("one", 1, [0.1, 0.1])], "two": [run("two", 1, [0.2])]}
    untimed["two"][0].seconds[:] = math.nan
    assert equivalent_filter_operations(untimed, 0.4) == pytest.approx(4), "of the sequence that was timed"


def test_the_filter_s_time_lies_beside_the_results_in_the_toolkit_s_file(tmp_path: Path) -> None:
    assert read_performance(tmp_path) is None
    write_performance(tmp_path, 0.375)
    assert read_performance(tmp_path) == 0.375
    path = tmp_path / "performance.txt"
    path.write_text("reading=0.0081\nconvolution_native=0.27\nnonlinear_native=0.36152\nplatform=GLNXA64\n")
    assert read_performance(tmp_path) == 0.36152
    path.write_text("reading=0.0081\nnonlinear_native=NaN\n")
    assert read_performance(tmp_path) is None
    path.write_text("nonlinear_native=fast\n")
    with pytest.raises(DatasetError, match=r"nonlinear_native=fast is no number of seconds; remove the line"):
        read_performance(tmp_path)
