"""The demonstration in one command, in real time: world, tracker, follower and operator as processes of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

import pytest
from std_msgs.msg import Header

from siam_tracker_ros.follow_demo.main import _answered
from siam_tracker_ros.interfaces import TrackedTarget, TrackedTargetArray
from siam_tracker_ros.stamps import from_nanoseconds


def told(stamp: int, *targets: TrackedTarget) -> TrackedTargetArray:
    return TrackedTargetArray(header=Header(stamp=from_nanoseconds(stamp)), targets=list(targets))


def test_the_target_is_set_on_a_picture_that_the_tracker_has() -> None:
    """The world is there before the tracker hears it, so the newest truth may be of a picture that nobody kept."""
    target = TrackedTarget(id=1)
    truths = [told(1, target), told(2, target), told(3, target), told(4)]
    assert _answered(truths, None) is None
    assert _answered(truths, told(5)) is None
    assert _answered(truths, told(4)) is None, "the target is not in it"
    assert _answered(truths, told(2)).header.stamp == from_nanoseconds(2)


@pytest.mark.slow
def test_the_robot_comes_to_its_target(ros_environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "siam_tracker_ros.follow_demo.main", "--size", "240", "180", "--rate", "10"]
    run = subprocess.run(command, capture_output=True, text=True, env=dict(ros_environment), timeout=240)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "following target 1 at 1.5 m" in run.stdout
    assert "the target is where it should be: bearing" in run.stdout
