"""What images do to a running node: broken ones, jumps of time, more than it can take, two bytes a pixel."""

from __future__ import annotations

import array
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from running_node import Setup
from sensor_msgs.msg import Image
from tracker_graph import TRACKER, Inbox, box_of, wait_until

from siam_tracker_ros.client import TrackerError
from siam_tracker_ros.image_conversion import BgrImage, image_to_bgr
from siam_tracker_ros.interfaces import TrackedTarget, TrackedTargetArray


def test_every_image_is_answered_once(setup: Setup) -> None:
    with Inbox(setup.graph, TrackedTargetArray, f"{TRACKER}/tracks") as inbox:
        inbox.wait_connected()
        wait_until(lambda: setup.show(0) and inbox.messages)
        sent = [setup.show(0)]
        setup.client.set_target(setup.scene.box(0))
        sent += [setup.show(moment) for moment in range(1, 5)]
        wait_until(lambda: inbox.of(sent[-1]))
        time.sleep(0.2)
        answers = [inbox.of(message) for message in sent]
    assert [len(of_one_image) for of_one_image in answers] == [1, 1, 1, 1, 1]
    assert [len(answer.targets) for (answer,) in answers] == [0, 1, 1, 1, 1]


def broken(message: Image, how: str) -> Image:
    if how == "unknown encoding":
        message.encoding = "bayer_rggb12"
    elif how == "truncated":
        message.data = message.data[:1000]
    elif how == "no data":
        message.data = array.array("B")
    elif how == "zero size":
        message.width = message.height = 0
    return message


@pytest.mark.parametrize("how", ["unknown encoding", "truncated", "no data", "zero size", "another size"])
def test_bad_images_are_answered_and_survived(setup: Setup, diagnostics: Inbox, how: str) -> None:
    target = setup.client.set_target(setup.scene.box(0))
    setup.show(1)
    if how == "another size":
        bad = setup.camera.message(setup.scene.image(2)[:100, :160])
    else:
        bad = broken(setup.camera.message(setup.scene.image(2)), how)
    track = setup.track(target, setup.answered(bad))
    assert track.state == TrackedTarget.STATE_LOST
    assert track.score == 0
    assert box_of(track).iou(setup.scene.box(1)) > 0.5
    reason = {"unknown encoding": "not supported", "another size": "160x100"}.get(how, "")
    words = f"target {target}"
    figures = setup.figures(diagnostics, lambda now: "lost" in now.get(words, "") and reason in now[words])
    assert figures["level"] == DiagnosticStatus.WARN
    track = setup.track(target, setup.show(3))
    assert box_of(track).iou(setup.scene.box(3)) > 0.5
    assert (track.state, track.age) == (TrackedTarget.STATE_TRACKING, 3)


def test_no_target_can_be_set_on_a_bad_image(setup: Setup) -> None:
    bad = setup.answered(broken(setup.camera.message(setup.scene.image(0)), "truncated"))
    with pytest.raises(TrackerError, match="truncated"):
        setup.client.set_target(setup.scene.box(0), stamp=bad)
    setup.show(0)


def test_time_that_jumps_back_is_reported_and_survived(setup: Setup) -> None:
    target = setup.client.set_target(setup.scene.box(0))
    before = setup.show(1)
    early = setup.camera.message(setup.scene.image(2))
    early.header.stamp.sec -= 1
    early.header.stamp.nanosec += 7  # no stamp that has been before
    track = setup.track(target, setup.answered(early))
    assert box_of(track).iou(setup.scene.box(2)) > 0.5
    assert "time jumped back" in setup.node.log()
    with pytest.raises(TrackerError, match="is after that of the newest image"):
        setup.client.set_target(setup.scene.box(1), stamp=before)
    late = setup.client.set_target(setup.scene.box(2), stamp=early)
    assert box_of(setup.track(late, setup.show(3))).iou(setup.scene.box(3)) > 0.5


def test_the_newest_image_is_worked_on_and_the_others_are_counted(setup: Setup, diagnostics: Inbox) -> None:
    for x in (20, 80, 140, 200):
        setup.client.set_target((x, 100, 40, 50))
    before = setup.figures(diagnostics, lambda now: now["targets"] == "4")
    sent = [setup.camera.message(setup.scene.image(moment)) for moment in range(40)]
    for message in sent:
        setup.camera.send(message)
        time.sleep(0.004)
    setup.client.wait_for_tracks(sent[-1], timeout=30.0)

    def gained(now: dict[str, Any]) -> dict[str, int]:
        return {key: int(now[key]) - int(before[key]) for key in now if key.startswith("images_")}

    # the middleware may keep images back, so the node need not have received all of them
    after = gained(setup.figures(diagnostics, lambda now: gained(now)["images_dropped"] > 0))
    # One may be worked on at that moment, and the newest may wait.
    assert after["images_received"] - after["images_processed"] - after["images_dropped"] in (0, 1, 2)


def wide(image: BgrImage, low: int, high: int) -> Image:
    """The scene as a camera of two bytes a pixel gives it: black is ``low``, white ``high``."""
    values = low + cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float64) * (high - low) / 255
    rows, columns = values.shape
    data = array.array("B", np.rint(values).astype("<u2").tobytes())
    return Image(height=rows, width=columns, encoding="mono16", step=2 * columns, data=data)


def followed(setup: Setup, message_of: Callable[[BgrImage], Image]) -> list[TrackedTarget]:
    """The target's tracks while the scene is sent in another encoding."""
    setup.client.remove_all()
    first = setup.answered(setup.camera.stamp(message_of(setup.scene.image(0))))
    target = setup.client.set_target(setup.scene.box(0), stamp=first)
    sent = [setup.answered(setup.camera.stamp(message_of(setup.scene.image(moment)))) for moment in range(1, 9)]
    return [setup.track(target, message) for message in sent]


@pytest.mark.parametrize(("low", "high"), [(0, 4095), (8000, 8255)], ids=["12 bits", "thermal"])
def test_wide_images_are_tracked_as_well_as_narrow_ones(setup: Setup, low: int, high: int) -> None:
    """Percentiles are the default, and follow at once where the values are others altogether."""
    narrow = followed(setup, lambda image: wide(image, 0, 65535))
    tracks = followed(setup, lambda image: wide(image, low, high))
    for moment, (track, same) in enumerate(zip(tracks, narrow, strict=True), start=1):
        assert track.state == TrackedTarget.STATE_TRACKING
        assert box_of(track).iou(setup.scene.box(moment)) > 0.5
        assert track.score == pytest.approx(same.score, abs=0.1)


def test_contrast_is_set_by_parameters(setup: Setup) -> None:
    """All 65536 levels leave one of a thermal picture's 256; its own range leaves all of them."""

    def configure(contrast: str, low: float, high: float) -> None:
        assert setup.graph.change("deactivate")
        for name, value in (("contrast_low", low), ("contrast_high", high), ("contrast", contrast)):
            assert not setup.graph.set_parameter(name, value)
        assert setup.graph.change("activate")
        setup.camera.wait_connected(setup.node)

    def levels() -> int:
        with Inbox(setup.graph, Image, f"{TRACKER}/debug_image") as drawings:
            wait_until(lambda: setup.answered(setup.camera.stamp(message)) and drawings.messages)
        return len(np.unique(image_to_bgr(drawings.messages[-1])))

    message = wide(setup.scene.image(0), 8000, 8255)
    try:
        configure("full", 0.0, 65535.0)
        assert levels() <= 2
        configure("range", 8000.0, 8255.0)
        assert levels() > 100
        tracks = followed(setup, lambda image: wide(image, 8000, 8255))
        assert box_of(tracks[-1]).iou(setup.scene.box(len(tracks))) > 0.5
        assert tracks[-1].state == TrackedTarget.STATE_TRACKING
    finally:
        configure("percentiles", 0.0, 65535.0)
