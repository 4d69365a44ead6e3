"""What a running node tells beside its tracks: pictures, diagnostics, its log, words about parameters and QoS."""

from __future__ import annotations

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import DurabilityPolicy, QoSProfile
from running_node import Setup
from sensor_msgs.msg import Image
from tracker_graph import BEST_EFFORT, FRAME_ID, TRACKER, Inbox, box_of, wait_until

from siam_tracker_core.zoo_entries import DEFAULT_TRACKER
from siam_tracker_ros.image_conversion import image_to_bgr
from siam_tracker_ros.interfaces import TrackedTargetArray


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
        "images on /image are heard from 1 publisher now",
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
    setup.graph.end(careless)
    demanding = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    with Inbox(setup.graph, TrackedTargetArray, f"{TRACKER}/tracks", demanding):
        words = f"a subscriber of {TRACKER}/tracks will receive nothing: the durability offered is volatile"
        wait_until(lambda: words in setup.node.log(), what="the warning")
    setup.camera.wait_connected(setup.node)
    assert setup.graph.change("deactivate")
    wait_until(lambda: not setup.camera.heard)
    assert setup.graph.set_parameter("reliability", "best_effort") == ""
    assert setup.graph.change("activate")
    setup.camera.wait_connected(setup.node)
    wait_until(lambda: setup.client.latest is not None)
    setup.show(0)


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
