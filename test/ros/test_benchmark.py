"""What the benchmark of the node shows to the tracker."""

import json
import subprocess
import sys

import pytest

from siam_tracker_core import TrackerGroup, TrackState, load_tracker
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER
from siam_tracker_ros.overhead import picture_of, spread_boxes


@pytest.mark.slow
@pytest.mark.parametrize("tracker", [DEFAULT_TRACKER, "siamfc"])
@pytest.mark.parametrize("targets", [1, 4])
def test_the_targets_of_the_picture_are_tracked(tracker, targets):
    """Else an update would take as long as the search for what is lost."""
    boxes = spread_boxes(targets, (640, 480))
    picture = picture_of((640, 480), boxes)
    group = TrackerGroup(load_tracker(tracker, "cpu"))
    for number, box in enumerate(boxes):
        group.init(number, picture, box)
    results = [result for _ in range(10) for result in group.update(picture).values()]
    assert {result.state for result in results} == {TrackState.TRACKING}


def test_the_benchmark_runs_the_node_and_tells_how():
    command = [sys.executable, "-m", "siam_tracker_ros.benchmark", "--json", "--seconds", "1", "--tracker", "siamfc"]
    command += ["--lock-step", "--load", "1", "--awake"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)
    assert told["answered"] == told["sent"] > 0
    assert (told["busy"], told["awake"], told["lock_step"]) == (1, True, True)
    assert 0 < told["update_p50"] < told["round_trip_p50"] <= told["round_trip_p95"]
