"""vot-toolkit and this package, side by side on a made workspace."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_vot import Clock, Scripted, failing_script, write_vot

from siam_tracker_core.datasets.vot import read_vot
from siam_tracker_core.evaluation.resolve import TrackerSpec
from siam_tracker_core.evaluation.vot import (
    FrameCode,
    RealTime,
    evaluate_vot,
    overlaps,
    run_realtime,
    run_supervised,
    vot_scores,
)

SIDE = Path(__file__).parents[2] / "vot_toolkit_side.py"  # beside the helpers that it imports
LENGTHS = {"first": 150, "second": 70, "third": 230}

# The toolkit's own runs take most of a minute; what it computes is tested against slow references beside this file.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("vot") is None, reason="vot-toolkit is not installed here; `make setup` installs it"
    ),
]


def toolkit(command: str, workspace: Path, *arguments: str) -> object:
    """The answer of vot-toolkit, in a process of its own."""
    paths = [str(SIDE.parent), str(SIDE.parents[2]), os.environ.get("PYTHONPATH", "")]
    answer = subprocess.run(
        [sys.executable, str(SIDE), command, str(workspace), *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    return json.loads(answer.stdout.splitlines()[-1])


def write_workspace(folder: Path, stack: str, polygons: bool = False) -> Path:
    write_vot(folder / "sequences", LENGTHS, polygons)
    (folder / "stack.yaml").write_text(stack)
    (folder / "config.yaml").write_text("registry: [./trackers.ini]\nstack: ./stack.yaml\n")
    (folder / "trackers.ini").write_text("[scripted]\nlabel = scripted\nprotocol = trax\ncommand = none\n")
    return folder


SUPERVISED = """
title: supervised
experiments:
  baseline:
    type: supervised
    repetitions: 15
    skip_initialize: 5
    analyses:
      - {type: supervised_average_ar, sensitivity: 30}
      - {type: cumulative_failures}
      - {type: supervised_eao_score, low: 108, high: 371, name: eao2015}
      - {type: supervised_eao_score, low: 100, high: 356, name: eao2017}
      - {type: supervised_eao_score, low: 46, high: 291, name: eao2019}
      - {type: supervised_eao_curve}
"""
SLOW = {
    "sometimes": [0.01, 0.09, 0.05, 0.21],  # no multiple of the interval: a tie would be decided by rounding
    "always": [0.05],
    "just": [0.039, 0.081, 0.0401],
    "long": [0.7, 0.01],
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory):
    """Results of this package's supervised experiment, and what vot-toolkit makes of them."""
    folder = write_workspace(tmp_path_factory.mktemp("workspace"), SUPERVISED)
    sequences = read_vot(folder)
    spec = TrackerSpec("scripted", Scripted(failing_script()))
    found = evaluate_vot([spec], sequences, folder, year="2015", experiments=["supervised"], show_progress=False)
    return found, sequences, toolkit("analyse", folder, "scripted")["baseline"]


def test_accuracy_and_robustness_agree(judged) -> None:
    found, _, theirs = judged
    ours = found.scores["scripted"]["supervised"]
    accuracy, failures, point, _ = theirs["AverageAccuracyRobustness"]
    assert ours.failures_total > 5, "the script fails on purpose"
    assert ours.accuracy == pytest.approx(accuracy, abs=1e-12)
    assert ours.failures == pytest.approx(failures, abs=1e-12)
    np.testing.assert_allclose(ours.ar_point, point, atol=1e-12)
    assert ours.failures_total == pytest.approx(theirs["CumulativeFailureCount"][0])


@pytest.mark.parametrize(("year", "low"), [("2015", 108), ("2017", 100), ("2019", 46)])
def test_expected_average_overlap_agrees(judged, year: str, low: int) -> None:
    found, sequences, theirs = judged
    ours = vot_scores(found.runs["scripted"]["supervised"], sequences, year)
    # vot-toolkit computes in single precision.
    assert ours.eao == pytest.approx(theirs[f"EAOScore{low}"][0], abs=1e-6)
    np.testing.assert_allclose(ours.eao_curve, theirs["EAOCurve"][0], atol=1e-6)


def test_a_tracker_that_never_lasts_has_no_expected_average_overlap(tmp_path: Path) -> None:
    """The curve ends with the longest stretch; beyond it vot-toolkit has no figure either."""
    folder = write_workspace(tmp_path, SUPERVISED)
    sequences = read_vot(folder)[1:]
    (folder / "sequences" / "list.txt").write_text("".join(f"{one.name}\n" for one in sequences))
    spec = TrackerSpec("scripted", Scripted(failing_script(period=29)))
    found = evaluate_vot([spec], sequences, folder, year="2017", experiments=["supervised"], show_progress=False)
    theirs = toolkit("analyse", folder, "scripted")["baseline"]
    ours = found.scores["scripted"]["supervised"]
    assert len(ours.eao_curve) < 46
    np.testing.assert_allclose(ours.eao_curve, theirs["EAOCurve"][0], atol=1e-6)
    for year, low in (("2015", 108), ("2017", 100), ("2019", 46)):
        assert np.isnan(theirs[f"EAOScore{low}"][0])
        assert np.isnan(vot_scores(found.runs["scripted"]["supervised"], sequences, year).eao)


def test_supervision_and_real_time_agree(tmp_path: Path) -> None:
    stack = SUPERVISED.partition("    analyses")[0] + "".join(
        f"  {name}:\n    {{type: supervised, realtime: {{grace: 3, fps: 25}}, repetitions: 1, skip_initialize: 5}}\n"
        for name in SLOW
    )
    folder = write_workspace(tmp_path, stack)
    theirs = toolkit("supervise", folder, "scripted", json.dumps({"baseline": [0.01], **SLOW}))
    for sequence in read_vot(folder):
        files = theirs[f"baseline {sequence.name}"]
        assert len(files) == 3, "vot-toolkit too takes three equal runs as proof"
        compare(run_supervised(Scripted(failing_script()), sequence), files[f"{sequence.name}_001.txt"])
        for name, seconds in SLOW.items():
            clock = Clock()
            tracker = Scripted(failing_script(), clock, lambda frame, seconds=seconds: seconds[frame % len(seconds)])
            run = run_realtime(tracker, sequence, real_time=RealTime(25, 3), clock=clock)
            compare(run, theirs[f"{name} {sequence.name}"][f"{sequence.name}_001.txt"])
            unseen = np.isnan(run.seconds) & (run.codes == FrameCode.TRACKED)
            # vot-toolkit forgives up to an interval of delay: 0.05 s an answer costs nothing at 25 frames a second.
            assert unseen.any() == (name != "always")


def compare(run, lines: list[str]) -> None:
    ours = [
        [float(code)] if region is None else region.tolist()
        for code, region in zip(run.codes, run.regions, strict=True)
    ]
    assert ours == [[float(value) for value in line.split(",")] for line in lines]


def test_raster_overlap_agrees_to_the_last_digit(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    size = (130, 110)

    def region() -> np.ndarray:
        if rng.random() < 0.5:
            return np.concatenate([rng.uniform(-20, 120, 2), rng.uniform(1, 60, 2)])
        angle = rng.uniform(0, np.pi)
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2 * rng.uniform(2, 60, 2)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        return corners @ turn + rng.uniform(0, 110, 2)

    pairs = [(region(), region()) for _ in range(3000)]
    plain = [[first.ravel().tolist(), second.ravel().tolist()] for first, second in pairs]
    (tmp_path / "pairs.json").write_text(json.dumps({"size": size, "pairs": plain}))
    theirs = np.array(toolkit("overlaps", tmp_path))
    ours = overlaps([first for first, _ in pairs], [second for _, second in pairs], size, "raster")
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
    assert (theirs > 0).sum() > 400


def test_figures_agree_on_polygons_by_the_raster_rule(tmp_path: Path) -> None:
    folder = write_workspace(tmp_path, SUPERVISED, polygons=True)
    sequences = read_vot(folder)
    spec = TrackerSpec("scripted", Scripted(failing_script()))
    found = evaluate_vot([spec], sequences, folder, year="2019", experiments=["supervised"], show_progress=False)
    theirs = toolkit("analyse", folder, "scripted")["baseline"]
    runs = found.runs["scripted"]["supervised"]
    drawn = vot_scores(runs, sequences, "2019", rule="raster")
    assert drawn.accuracy == pytest.approx(theirs["AverageAccuracyRobustness"][0], abs=1e-12)
    assert drawn.eao == pytest.approx(theirs["EAOScore46"][0], abs=1e-6)
    # Exact areas are near, but not the same: a drawn polygon is about a pixel larger.
    exact = found.scores["scripted"]["supervised"]
    assert exact.accuracy == pytest.approx(drawn.accuracy, abs=0.02)
    assert exact.accuracy != pytest.approx(drawn.accuracy, abs=1e-4)
