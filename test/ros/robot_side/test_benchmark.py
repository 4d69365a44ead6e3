"""The benchmark of the additions: it runs, and its switch switches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from siam_tracker_ros.robot_side.benchmark import processor_seconds


def test_processor_time_is_what_the_system_says() -> None:
    sum(range(3_000_000))
    assert processor_seconds(os.getpid()) == pytest.approx(sum(os.times()[:2]), abs=0.05)


@pytest.mark.slow
def test_pairs_are_measured(ros_environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "siam_tracker_ros.robot_side.benchmark", "--pairs", "1", "--images", "3"]
    run = subprocess.run([*command, "--width", "160"], capture_output=True, text=True, env=dict(ros_environment))
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    assert report["on"] == {"positions": "depth", "prediction_rate": 30.0, "detections": "siam_tracker_msgs"}
    ((off, on),) = ([pair["off"], pair["on"]] for pair in report["pairs"])
    assert min(off["round_trip"], off["processor"], on["round_trip"], on["processor"]) > 0
    assert report["more_ms"]["processor"]["of_pairs"] == [pytest.approx(on["processor"] - off["processor"], abs=1e-3)]
