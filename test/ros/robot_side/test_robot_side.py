"""Events, positions, predictions and detections through the real node, in the made world's pictures."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from robot_chain import PARAMETERS, Chain
from tracker_graph import TRACKER, Graph, Inbox, box_of, wait_heard, wait_ready, wait_until
from visualization_msgs.msg import MarkerArray

from siam_tracker_core import Box
from siam_tracker_core.simulation import Unicycle
from siam_tracker_ros.client import TrackerClient, TrackerError
from siam_tracker_ros.follow_demo.messages import camera_info_message, header_at
from siam_tracker_ros.interfaces import TargetEvent, TrackedTarget, TrackedTargetArray
from siam_tracker_ros.node_process import NodeProcess


@pytest.fixture(scope="module")
def chain(ros_environment: Mapping[str, str]) -> Iterator[Chain]:
    graph = Graph()
    environment = dict(ros_environment, OMP_NUM_THREADS="1")
    with ExitStack() as stack:
        stack.callback(graph.close)
        tracker = stack.enter_context(NodeProcess(PARAMETERS, environment=environment))
        client = stack.enter_context(TrackerClient(graph.node, TRACKER))
        wait_ready(client, tracker)
        made = Chain(graph, client)
        for publisher in (made.image, made.info, made.depth, made.detections):
            wait_until(lambda publisher=publisher: publisher.get_subscription_count() > 0, what="a subscription")
        wait_heard(tracker)
        wait_until(lambda: graph.node.count_publishers(f"{TRACKER}/events") > 0, what="the events")
        yield made


def test_positions_are_those_of_the_world(chain: Chain) -> None:
    chain.begin()
    with Inbox(chain.graph, MarkerArray, f"{TRACKER}/markers") as markers:
        markers.wait_connected()
        target = chain.client.set_target(chain.box, stamp=chain.look())
        for _ in range(4):
            header = chain.look()
        wait_until(lambda: markers.messages, what="a marker")
    position = chain.client.positions(header).positions[0]
    assert position.id == target
    assert position.azimuth == pytest.approx(chain.world.azimuth, abs=math.radians(1.5))
    flat = math.hypot(position.point.x, position.point.z)
    assert flat == pytest.approx(chain.world.distance, rel=0.02)
    assert np.linalg.norm([position.velocity.x, position.velocity.y, position.velocity.z]) < 0.2
    covariance = position.point_covariance.reshape(3, 3)
    assert (np.linalg.eigvalsh(covariance) > 0).all()
    assert position.reason == ""


def test_what_is_not_known_has_a_reason(chain: Chain) -> None:
    chain.begin()
    chain.client.set_target(chain.box, stamp=chain.look())

    def reason(*args: Any, **named: Any) -> str:
        header = chain.look(*args, **named)
        chain.look()  # so that one that waits for its depth image waits no longer
        position = chain.client.positions(header).positions[0]
        assert math.isnan(position.point.x)
        assert math.isnan(position.velocity.x)
        return str(position.reason)

    assert "more than the parameter depth_tolerance" in reason(None)
    assert "0 of" in reason(np.zeros((240, 320), np.float32))
    assert "0 of" in reason(np.full((240, 320), np.nan, np.float32))
    wrong = camera_info_message(header_at(0.0), chain.world.calibration)
    wrong.width = 1000
    assert "is for images of 1000x240" in reason(info=wrong)
    wrong.width, wrong.k = 320, np.zeros(9)
    assert "focal lengths 0 and 0" in reason(info=wrong)
    half = chain.world.picture().depth[::2, ::2].copy()
    position = chain.client.positions(chain.look(half)).positions[0]
    assert position.reason == "", "another resolution is scaled"


def look_until(chain: Chain, target: int, state: int) -> Any:
    """Show the world until the target's track has a state; the header of the picture then."""
    for _ in range(60):
        header = chain.look()
        if chain.client.wait_for_track(target, header).state == state:
            return header
    raise AssertionError(f"target {target} has not come to state {state} in 60 pictures")


def test_events_tell_each_thing_once(chain: Chain) -> None:
    chain.begin()
    target = chain.client.set_target(chain.box, stamp=chain.look(), label="figure")
    chain.look()
    with pytest.raises(TrackerError):
        chain.client.set_target((5000, 0, 10, 10))
    chain.world.robot = Unicycle(heading=math.pi)
    look_until(chain, target, TrackedTarget.STATE_LOST)
    chain.world.robot = Unicycle()
    look_until(chain, target, TrackedTarget.STATE_TRACKING)
    chain.client.remove_target(target)
    chain.look()
    wait_until(lambda: chain.client.events and chain.client.events[-1].kind == TargetEvent.KIND_REMOVED)
    own = [event for event in chain.client.events if event.id == target]
    assert [event.kind for event in own] == [
        TargetEvent.KIND_SET,
        TargetEvent.KIND_LOST,
        TargetEvent.KIND_FOUND,
        TargetEvent.KIND_REMOVED,
    ]
    assert own[1].words.startswith(f"target {target} is lost: ")
    refusals = [event.words for event in chain.client.events if event.kind == TargetEvent.KIND_REFUSED]
    assert any("outside the 320x240 image" in words for words in refusals)


def test_predicted_tracks_come_between_images_and_say_so(chain: Chain) -> None:
    chain.begin()
    target = chain.client.set_target(chain.box, stamp=chain.look())
    with Inbox(chain.graph, TrackedTargetArray, f"{TRACKER}/tracks_predicted") as predicted:
        predicted.wait_connected()
        for _ in range(3):
            header = chain.look()
        count = len(predicted.messages)
        wait_until(lambda: len(predicted.messages) > count + 5, what="predictions without an image")
        first, last = (predicted.messages[place].targets[0] for place in (-4, -1))  # with no image between them
    assert last.predicted
    assert last.id == target
    assert (last.header.stamp.sec, last.header.stamp.nanosec) > (header.stamp.sec, header.stamp.nanosec)
    assert last.deviation[0] > first.deviation[0] > 0
    assert box_of(last).iou(chain.box) > 0.5


def test_a_target_is_started_from_late_detections(chain: Chain) -> None:
    chain.begin()
    header = chain.look()
    chain.look()
    chain.detect(header, (chain.box, "person", 0.9), (Box(10, 10, 30, 30), "person", 0.3))
    wait_until(lambda: _answered(chain, class_id="person"), what="a target from the best of a class")
    track = chain.client.wait_for_track(chain.client.latest.targets[0].id, chain.look())
    assert track.label == "person"
    assert box_of(track).iou(chain.box) > 0.5
    x, y = chain.box.centre
    at_point = chain.client.set_target_from_detection((x, y), stamp=header, label="him")
    assert chain.client.wait_for_track(at_point, chain.look()).label == "him"
    with pytest.raises(TrackerError, match=r"no detection .* is of the class 'cow'; the classes there are: person"):
        chain.client.set_target_from_detection(class_id="cow")


def _answered(chain: Chain, **wanted: Any) -> bool:
    try:
        chain.client.set_target_from_detection(**wanted)
    except TrackerError:
        return False
    chain.look()
    return True


def test_detections_become_targets_by_themselves_once(chain: Chain) -> None:
    chain.begin()
    chain.graph.set_parameter("auto_target", "person")
    noise = np.random.default_rng(0)
    for _ in range(4):
        x, y = noise.normal(0, 2, 2)  # a jittery detector
        jittery = Box(chain.box.x + x, chain.box.y + y, chain.box.width, chain.box.height)
        chain.detect(chain.look(), (jittery, "person", 0.8), (Box(9, 9, 30, 30), "dog", 0.9))
    wait_until(lambda: len(chain.client.wait_for_tracks(chain.look()).targets) == 1, what="a target")
    for _ in range(3):
        assert len(chain.client.wait_for_tracks(chain.look()).targets) == 1


def test_a_lost_target_comes_back_by_its_own_look_and_not_by_the_class(chain: Chain) -> None:
    chain.begin()
    target = chain.client.set_target(chain.box, stamp=chain.look(), label="person")
    away = Unicycle(heading=math.pi)
    chain.world.robot = away
    header = look_until(chain, target, TrackedTarget.STATE_LOST)
    assert chain.client.wait_for_track(target, header).reason
    for _ in range(3):  # a detector that is wrong: the class is right, and nothing is there
        chain.detect(header, (Box(100, 100, 60, 90), "person", 0.99))
        header = chain.look()
    assert chain.client.wait_for_track(target, header).state == TrackedTarget.STATE_LOST
    chain.world.robot = Unicycle(heading=-0.2)
    header = chain.look()
    chain.detect(header, (Box(5, 5, 60, 90), "person", 0.9), (chain.box, "person", 0.5))

    def back() -> bool:
        track = chain.client.wait_for_track(target, chain.look())
        return bool(track.state == TrackedTarget.STATE_TRACKING and box_of(track).iou(chain.box) > 0.3)

    wait_until(back, timeout=30, what="the target")


def test_detections_move_no_tracked_target_unless_they_may_correct_its_size(chain: Chain) -> None:
    chain.begin()
    target = chain.client.set_target(chain.box, stamp=chain.look(), label="person")
    small = Box.from_centre(*chain.box.centre, chain.box.width * 0.7, chain.box.height * 0.7)
    chain.detect(chain.look(), (small, "person", 0.9))
    track = chain.client.wait_for_track(target, chain.look())
    assert box_of(track).iou(chain.box) > 0.6


def test_a_detection_corrects_the_size_of_its_own_class_where_it_may(chain: Chain) -> None:
    chain.begin()
    target = chain.client.set_target(chain.box, stamp=chain.look(), label="person")
    small = Box.from_centre(*chain.box.centre, chain.box.width * 0.75, chain.box.height * 0.75)
    aside = Box(chain.box.x - 1.2 * chain.box.width, chain.box.y, chain.box.width, chain.box.height)

    def width_after(box: Box, kind: str) -> float:
        """The target's width in the picture after one whose detections have been taken."""
        for _ in range(3):
            header = chain.look()
        chain.detect(header, (box, kind, 0.9))
        # An empty answer to a request that comes later shows that the detection was taken.
        with pytest.raises(TrackerError, match="the classes there are"):
            chain.client.set_target_from_detection(class_id="nothing", stamp=header)
        return float(chain.client.wait_for_track(target, chain.look()).width)

    usual = width_after(small, "person")
    assert chain.graph.set_parameter("correct_size", True) == ""
    assert width_after(small, "dog") == pytest.approx(usual, rel=0.03)
    assert width_after(aside, "person") == pytest.approx(usual, rel=0.03)
    assert width_after(small, "person") < 0.93 * usual
    for _ in range(10):
        track = chain.client.wait_for_track(target, chain.look())
    assert box_of(track).iou(chain.box) > 0.6, "the tracker sees for itself what is right"


def test_bad_detections_are_said_in_words(chain: Chain) -> None:
    chain.begin()
    header = chain.look()
    chain.detect(header, (Box(5, 5, -3, 9), "person", 0.9))
    chain.detect(header, (chain.box, "person", 0.9), frame_id="another_camera")

    def told(words: str) -> bool:
        return any(words in event.words for event in chain.client.events if event.kind == TargetEvent.KIND_REFUSED)

    wait_until(lambda: told("is empty; width and height must be at least 1 pixel"), what="a word on the empty box")
    wait_until(lambda: told("is of the frame 'another_camera'"), what="a word on the frame")


def test_the_example_prints_where_it_is(chain: Chain, repository_root: Path) -> None:
    chain.begin()
    chain.client.set_target(chain.box, stamp=chain.look())
    example = subprocess.Popen(
        [sys.executable, str(repository_root / "examples" / "where_is_it.py"), "2"], stdout=subprocess.PIPE, text=True
    )
    while example.poll() is None:
        chain.look()
    said, _ = example.communicate()
    assert example.returncode == 0
    assert re.search(r"[+-]\d+\.\d deg left, [+-]\d+\.\d deg up, 3\.\d\d m", said)


def test_examples_are_short(repository_root: Path) -> None:
    for name in ("follow_from_detection.py", "where_is_it.py"):
        assert len((repository_root / "examples" / name).read_text().splitlines()) < 60
