"""Targets of a running node over real DDS: set, set late, set anew, removed, refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from running_node import HISTORY, Setup
from tracker_graph import FRAME_ID, box_of, later

from siam_tracker_core import Box
from siam_tracker_core.datasets.otb_form import read_sequence
from siam_tracker_ros.client import TrackerError
from siam_tracker_ros.interfaces import TrackedTarget


def test_tracks_follow_the_target(setup: Setup) -> None:
    first = setup.show(0)
    target = setup.client.set_target(setup.scene.box(0), stamp=first, label="square")
    for moment in range(1, 16):
        message = setup.show(moment)
        track = setup.track(target, message)
        assert track.header.stamp == message.header.stamp
        assert track.header.frame_id == FRAME_ID
        assert (track.label, track.age) == ("square", moment)
        assert 0 <= track.score <= 1
        assert box_of(track).iou(setup.scene.box(moment)) > 0.5
    assert track.state == TrackedTarget.STATE_TRACKING


def test_a_target_set_on_an_earlier_image_catches_up(setup: Setup, shared_data: Path) -> None:
    """Real footage: set late, a target is where it would have been had it been set at once."""
    sequence = read_sequence(shared_data / "test" / "Crossing")
    images = [cv2.imread(str(path)) for path in sequence.frames[:10]]
    first = setup.answered(setup.camera.message(images[0]))
    box = Box.from_array(sequence.boxes[0])
    at_once = setup.client.set_target(box, stamp=first)
    for image in images[1:-1]:
        setup.answered(setup.camera.message(image))
    late = setup.client.set_target(box, stamp=first)
    tracks = setup.tracks(setup.answered(setup.camera.message(images[-1])))
    assert tracks[late].age == tracks[at_once].age == len(images) - 1
    np.testing.assert_allclose(box_of(tracks[late]).to_array(), box_of(tracks[at_once]).to_array(), atol=0.05)
    assert box_of(tracks[late]).iou(Box.from_array(sequence.boxes[9])) > 0.3


def test_an_image_that_is_no_longer_kept_is_refused_with_the_oldest_that_is(setup: Setup) -> None:
    sent = [setup.show(0) for _ in range(HISTORY + 3)]
    with pytest.raises(TrackerError, match="too old") as refusal:
        setup.client.set_target(setup.scene.box(0), stamp=sent[0])
    oldest = sent[-HISTORY].header.stamp
    assert f"{oldest.sec}.{oldest.nanosec:09d}" in str(refusal.value)
    setup.client.set_target(setup.scene.box(0), stamp=oldest)


def test_a_stamp_between_images_is_refused_with_the_nearest(setup: Setup) -> None:
    first = setup.show(0)
    setup.show(1)
    with pytest.raises(TrackerError, match="no image has the stamp") as refusal:
        setup.client.set_target(setup.scene.box(0), stamp=later(first.header.stamp, 1000))
    assert f"{first.header.stamp.sec}.{first.header.stamp.nanosec:09d}" in str(refusal.value)


def test_a_stamp_to_come_is_waited_for_a_little(setup: Setup) -> None:
    last = setup.show(0)
    with pytest.raises(TrackerError, match="is after that of the newest image"):
        setup.client.set_target(setup.scene.box(0), stamp=later(last.header.stamp, 10**10))


def test_two_targets_and_one_removed(setup: Setup) -> None:
    first = setup.show(0)
    one = setup.client.set_target(setup.scene.box(0), stamp=first, label="one")
    two = setup.client.set_target((200, 100, 40, 50), stamp=first, label="two")
    assert set(setup.tracks(setup.show(1))) == {one, two}
    setup.client.remove_target(one)
    assert set(setup.tracks(setup.show(2))) == {two}
    with pytest.raises(TrackerError, match=f"there is no target {one}; the targets are: {two}"):
        setup.client.remove_target(one)
    assert setup.client.remove_all() == 1
    assert setup.tracks(setup.show(3)) == {}


def test_a_target_can_be_set_anew_under_its_id(setup: Setup) -> None:
    target = setup.client.set_target((200, 100, 40, 50), id=77)
    assert target == 77
    setup.show(1)
    assert setup.client.set_target(setup.scene.box(1), id=77, label="again") == 77
    track = setup.track(77, setup.show(2))
    assert (track.age, track.label) == (1, "again")
    assert box_of(track).iou(setup.scene.box(2)) > 0.5


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((float("nan"), 10, 20, 20), "is not finite"),
        ((10, 10, float("inf"), 20), "is not finite"),
        ((10, 10, 0, 20), "is empty; width and height must be at least 1 pixel"),
        ((10, 10, 20, -5), "is empty"),
        ((400, 10, 20, 20), "lies outside the 320x240 image"),
        ((0, 0, 320, 240), "covers the whole 320x240 image"),
    ],
)
def test_bad_boxes_are_refused_and_other_targets_go_on(setup: Setup, box: tuple[float, ...], words: str) -> None:
    good = setup.client.set_target(setup.scene.box(0))
    with pytest.raises(TrackerError) as refusal:
        setup.client.set_target(box)
    assert words in str(refusal.value)
    with pytest.raises(TrackerError):
        setup.client.set_target(box, id=good)
    tracks = setup.tracks(setup.show(1))
    assert set(tracks) == {good}
    assert box_of(tracks[good]).iou(setup.scene.box(1)) > 0.5


def test_too_many_targets_are_refused(setup: Setup) -> None:
    assert setup.graph.set_parameter("max_targets", 1) == ""
    target = setup.client.set_target(setup.scene.box(0))
    with pytest.raises(TrackerError, match="the parameter max_targets is 1; remove a target first"):
        setup.client.set_target((200, 100, 40, 50))
    assert setup.client.set_target(setup.scene.box(0), id=target) == target
    assert setup.graph.set_parameter("max_targets", 16) == ""
