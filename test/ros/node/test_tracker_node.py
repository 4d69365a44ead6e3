"""The real node in its own process over real DDS: targets, late boxes, bad input, outputs, diagnostics, QoS."""

from __future__ import annotations

import array
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from tracker_graph import (
    BEST_EFFORT,
    FRAME_ID,
    TRACKER,
    Camera,
    Graph,
    Inbox,
    Scene,
    box_of,
    later,
    wait_ready,
    wait_until,
)

from siam_tracker_core import Box
from siam_tracker_core.datasets.otb_form import read_sequence
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER
from siam_tracker_ros.client import TrackerClient, TrackerError
from siam_tracker_ros.image_conversion import BgrImage, image_to_bgr
from siam_tracker_ros.interfaces import TrackedTarget, TrackedTargetArray
from siam_tracker_ros.node_process import NodeProcess

HISTORY = 20


@dataclass
class Setup:
    """The node with a camera in front of it and a client beside it."""

    graph: Graph
    node: NodeProcess
    camera: Camera
    client: TrackerClient
    scene: Scene

    def show(self, moment: int) -> Any:
        """Send the scene at a moment and wait until the node has answered it."""
        return self.answered(self.camera.message(self.scene.image(moment)))

    def answered(self, message: Any) -> Any:
        self.camera.send(message)
        self.client.wait_for_tracks(message)
        return message

    def tracks(self, message: Any) -> dict[int, TrackedTarget]:
        return {track.id: track for track in self.client.wait_for_tracks(message).targets}

    def track(self, target: int, message: Any) -> TrackedTarget:
        return self.client.wait_for_track(target, message, timeout=5.0)

    def figures(self, inbox: Inbox, wanted: Callable[[dict[str, Any]], Any] = lambda figures: True) -> dict[str, Any]:
        """The first of the node's diagnostics that are as wanted: the newest may be from before what was done last."""
        return wait_until(lambda: next(filter(wanted, map(_figures, inbox.messages[-1:])), None), what="diagnostics")


def _figures(message: DiagnosticArray) -> dict[str, Any]:
    (status,) = message.status
    return {"level": status.level, "message": status.message, "name": status.name} | {
        value.key: value.value for value in status.values
    }


@pytest.fixture(scope="module")
def started(ros_environment: Mapping[str, str]) -> Iterator[Setup]:
    environment = dict(ros_environment, OMP_NUM_THREADS="1")
    parameters = {"history_frames": HISTORY, "diagnostics_period": 0.2, "stamp_patience": 0.3, "device": "cpu"}
    parameters["threads"] = 1
    graph = Graph()
    with NodeProcess(parameters, environment=environment) as node:
        try:
            with TrackerClient(graph.node, TRACKER) as client:
                wait_ready(client, node)
                camera = Camera(graph)
                camera.wait_connected()
                yield Setup(graph, node, camera, client, Scene())
            assert node.exit_status() is None, node.log()
            assert node.stop() == 0
            assert "Traceback" not in node.log()
            assert "defect" not in node.log()
        finally:
            graph.close()


@pytest.fixture
def setup(started: Setup) -> Setup:
    """The node without any target, with one image seen."""
    started.client.remove_all()
    started.show(0)
    return started


@pytest.fixture
def diagnostics(setup: Setup) -> Iterator[Inbox]:
    with Inbox(setup.graph, DiagnosticArray, "/diagnostics") as inbox:
        yield inbox


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


def test_response_map_and_debug_image_while_someone_subscribes(setup: Setup) -> None:
    target = setup.client.set_target(setup.scene.box(0), label="square")
    with (
        Inbox(setup.graph, Image, f"{TRACKER}/response_map") as responses,
        Inbox(setup.graph, Image, f"{TRACKER}/debug_image") as drawings,
    ):
        moments = iter(range(1, 100))
        wait_until(lambda: setup.show(next(moments) % 8) and responses.messages and drawings.messages)
        message = setup.show(1)
        response = wait_until(lambda: responses.of(message))[0]
        drawing = wait_until(lambda: drawings.of(message))[0]
    assert response.encoding == "32FC1"
    values = np.frombuffer(response.data, np.float32).reshape(response.height, response.width)
    assert np.isfinite(values).all()
    assert values.max() > values.min()
    assert response.header.frame_id == drawing.header.frame_id == FRAME_ID
    drawn = image_to_bgr(drawing).astype(int)
    original = setup.scene.image(1)
    assert drawn.shape == original.shape
    changed = np.argwhere(np.abs(drawn - original).sum(axis=2) > 30)[:, ::-1]
    box = box_of(setup.track(target, message))
    assert changed[:, 0].min() == pytest.approx(box.x, abs=6)
    assert changed[:, 1].max() == pytest.approx(box.bottom, abs=6)


def test_the_debug_image_can_be_smaller(setup: Setup) -> None:
    assert "Min: 0.05, Max: 1.0, value: 1.5" in setup.graph.set_parameter("debug_image_scale", 1.5)
    assert setup.graph.set_parameter("debug_image_scale", 0.5) == ""
    with Inbox(setup.graph, Image, f"{TRACKER}/debug_image") as drawings:
        wait_until(lambda: setup.show(0) and drawings.messages)
    assert (drawings.messages[-1].width, drawings.messages[-1].height) == (160, 120)
    assert setup.graph.set_parameter("debug_image_scale", 1.0) == ""


def test_diagnostics(setup: Setup, diagnostics: Inbox) -> None:
    target = setup.client.set_target(setup.scene.box(0), label="square")
    for moment in range(1, 8):
        setup.show(moment)
    figures = setup.figures(diagnostics, lambda now: "age 7" in now.get(f"target {target}", ""))
    assert figures["name"] == "siam_tracker: tracking"
    assert figures["level"] == DiagnosticStatus.OK
    assert figures["message"].startswith("1 target at ")
    assert (figures["state"], figures["tracker"]) == ("active", DEFAULT_TRACKER)
    assert figures["device"].startswith("cpu, ")
    assert (figures["image_topic"], figures["threads"], figures["tracking_thread_replaced"]) == ("/image", "1", "0")
    assert float(figures["frame_rate_hz"]) > 1
    assert 0 < float(figures["update_ms_p50"]) < float(figures["latency_ms_p95"])
    assert float(figures["update_ms_tracking_p50"]) <= float(figures["update_ms_tracking_p95"])
    assert float(figures["latency_ms_p50"]) <= float(figures["latency_ms_p95"])
    assert int(figures["images_late"]) >= 0
    assert figures[f"target {target}"].startswith("'square', tracking, score ")
    setup.client.remove_all()
    setup.figures(diagnostics, lambda now: "no image has come on /image" in now["message"])


def test_every_change_has_a_line_in_the_log(setup: Setup) -> None:
    target = setup.client.set_target(setup.scene.box(0), label="square")
    setup.show(1)
    blank = np.full_like(setup.scene.image(0), 90)

    def lose() -> bool:
        setup.answered(setup.camera.message(blank))
        return f"target {target} 'square' is lost" in setup.node.log()

    def find() -> bool:
        setup.show(1)
        return f"target {target} 'square' is found again, score " in setup.node.log()

    wait_until(lose, what="a line of the loss")
    wait_until(find, 60.0, "a line of the finding")
    setup.client.remove_target(target)
    small = setup.scene.image(0)[:120, :160]
    setup.answered(setup.camera.message(small))
    setup.show(0)
    for words in (
        f"loading the tracker {DEFAULT_TRACKER} on cpu",
        "threads: 1",
        "waiting for images on /image",
        "the first image on /image has come: 320x240, bgr8",
        f"following target {target} 'square'",
        f"target {target} is removed",
        "the images on /image were 320x240 and are 160x120 now",
    ):
        wait_until(lambda words=words: words in setup.node.log(), what=words)


def test_another_node_of_the_same_name_is_warned_about(setup: Setup) -> None:
    double = rclpy.create_node("siam_tracker", context=setup.graph.context)
    try:
        words = "there are 2 nodes named /siam_tracker: requests reach any of them"
        wait_until(lambda: words in setup.node.log(), what=words)
    finally:
        double.destroy_node()


def test_wrong_parameter_values_are_refused_in_words(setup: Setup) -> None:
    refusals = {
        ("max_targets", 0): "Min: 1, Max: 1024, value: 0",
        ("stamp_patience", 60.0): "Min: 0.0, Max: 10.0, value: 60.0",
        ("image_transport", "theora"): "expected raw or compressed",
        ("tracker", "nosuch"): DEFAULT_TRACKER,
        ("device", "gpu"): "expected auto, cpu, cuda or cuda:N",
        ("device", "cuda:0"): "cannot change while the node is active; clean it up first",
        ("queue_depth", 5): "cannot change while the node is active; deactivate it first",
        ("autostart", False): "read-only",
    }
    for (name, value), words in refusals.items():
        assert words in setup.graph.set_parameter(name, value)
    description = setup.graph.describe("queue_depth")
    assert "newest image" in description.description
    assert (description.integer_range[0].from_value, description.integer_range[0].to_value) == (1, 1000)


def test_qos_that_does_not_fit_is_logged_in_words(setup: Setup) -> None:
    assert setup.graph.change("deactivate")
    wait_until(lambda: not setup.camera.heard)
    assert setup.graph.set_parameter("reliability", "reliable") == ""
    assert setup.graph.change("activate")
    careless = setup.graph.node.create_publisher(Image, "/image", BEST_EFFORT)
    wait_until(lambda: "set the parameter reliability to best_effort" in setup.node.log(), what="the warning")
    assert "the reliability requested is reliable, but '/test' offers best_effort" in setup.node.log()
    setup.graph.node.destroy_publisher(careless)
    demanding = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    with Inbox(setup.graph, TrackedTargetArray, f"{TRACKER}/tracks", demanding):
        words = f"a subscriber of {TRACKER}/tracks will receive nothing: the durability offered is volatile"
        wait_until(lambda: words in setup.node.log(), what="the warning")
    setup.camera.wait_connected()
    assert setup.graph.change("deactivate")
    wait_until(lambda: not setup.camera.heard)
    assert setup.graph.set_parameter("reliability", "best_effort") == ""
    assert setup.graph.change("activate")
    setup.camera.wait_connected()
    wait_until(lambda: setup.client.latest is not None)
    setup.show(0)


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
        setup.camera.wait_connected()

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


def test_detections(setup: Setup) -> None:
    vision = pytest.importorskip("vision_msgs.msg", reason="vision_msgs is not installed here")
    target = setup.client.set_target(setup.scene.box(0), label="square")
    with Inbox(setup.graph, vision.Detection2DArray, f"{TRACKER}/detections") as inbox:
        wait_until(lambda: setup.show(0) and inbox.messages)
        message = setup.show(1)
        detection = wait_until(lambda: inbox.of(message))[0].detections[0]
    track = setup.track(target, message)
    assert detection.id == str(target)
    assert detection.bbox.center.position.x == pytest.approx(track.x + track.width / 2, abs=0.01)
    assert detection.bbox.size_y == pytest.approx(track.height, abs=0.01)
    assert detection.results[0].hypothesis.class_id == "square"
