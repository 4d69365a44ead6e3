"""What can befall a node from outside, each short; ``SCENARIOS`` names them."""

from __future__ import annotations

import array
import random
import signal
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from bench import Bench
from rcl_interfaces.msg import Log
from sensor_msgs.msg import Image
from tracker_graph import BEST_EFFORT, TRACKER, Inbox, wait_until

from siam_tracker_ros.client import TrackerError
from siam_tracker_ros.image_conversion import bgr_to_message
from siam_tracker_ros.interfaces import RemoveTarget, SetTarget, TrackedTargetArray
from siam_tracker_ros.qos import request_qos


def camera_stalls(bench: Bench) -> None:
    """The camera sends nothing for a while; the node says so."""
    bench.pause()
    wait_until(lambda: "no image has come on /image" in bench.figures()["message"], 20.0, "a word about silence")
    bench.go_on()


def camera_dies(bench: Bench) -> None:
    """The camera's publisher goes, and another one comes."""
    bench.new_camera()


def camera_changes(bench: Bench) -> None:
    """Other sizes and encodings for a while."""

    def half(message: Image) -> Image:
        return _like(message, bench.scene.image(0)[::2, ::2])

    def mono(message: Image) -> Image:
        pixels = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)
        grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
        message.encoding, message.step = "mono8", message.width
        message.data = array.array("B", grey.tobytes())
        return message

    for change in (half, mono):
        _for_images(bench, 6, change)


def clock_jumps(bench: Bench) -> None:
    """Stamps jump an hour back, a day ahead, and back again."""
    for seconds in (-3600.0, 86_400.0, -82_800.0):
        bench.jump(seconds)
        _wait_images(bench, 4)


def day_of_stamps(bench: Bench) -> None:
    """A day passes by the stamps, half an hour with every image."""
    for _ in range(48):
        bench.jump(1800.0)
        _wait_images(bench, 1)


def node_is_stopped(bench: Bench) -> None:
    """The node's process is stopped for two seconds and continued."""
    bench.node.send_signal(signal.SIGSTOP)
    time.sleep(2.0)
    bench.node.send_signal(signal.SIGCONT)


def hostile_images(bench: Bench) -> None:
    """Images that lie about their size, are cut off, of unknown encodings, tiny, huge, or of random fields."""
    chance = random.Random(0)

    def hostile(message: Image) -> Image:
        kind = chance.randrange(8)
        if kind == 0:
            message.height = message.width = 2**31
        elif kind == 1:
            message.step = chance.choice([0, 1, 2**32 - 1])
        elif kind == 2:
            message.data = message.data[: chance.randrange(len(message.data))]
        elif kind == 3:
            message.encoding = chance.choice(["", "\u2603", "bgr8\0", "32FC1", "x" * 10_000])
        elif kind == 4:
            message = _like(message, np.zeros((1, 1, 3), np.uint8))
        elif kind == 5:
            message.encoding = chance.choice(["mono8", "mono16", "yuv422", "bayer_rggb8", "bgra8"])
        elif kind == 6:
            message.is_bigendian = 255
            message.encoding = "mono16"
        else:
            message.header.frame_id = "\n" * 1000
            message.data = array.array("B")
        return message

    _for_images(bench, 24, hostile)


def large_images(bench: Bench) -> None:
    """A few images of twelve megapixels."""
    pixels = np.zeros((3000, 4000, 3), np.uint8)
    _for_images(bench, 3, lambda message: _like(message, pixels))


def many_targets(bench: Bench) -> None:
    """As many targets as may be, for a while."""
    ids = [bench.client.set_target((10 + 30 * i, 150, 40, 40), label="more", timeout=60.0) for i in range(7)]
    _wait_images(bench, 6)
    for target in ids:
        bench.client.remove_target(target, timeout=60.0)


def subscribers_come_and_go(bench: Bench) -> None:
    """Subscribers of every topic come for a moment."""
    for _ in range(4):
        with (
            Inbox(bench.graph, Image, f"{TRACKER}/debug_image"),
            Inbox(bench.graph, Image, f"{TRACKER}/response_map", BEST_EFFORT),
            Inbox(bench.graph, TrackedTargetArray, f"{TRACKER}/tracks"),
            Inbox(bench.graph, Log, "/rosout"),
        ):
            _wait_images(bench, 2)


def lifecycle_cycles(bench: Bench) -> None:
    """Deactivated and activated again and again."""
    for _ in range(4):
        assert bench.graph.change("deactivate")
        assert bench.graph.change("activate")
        bench.camera.wait_connected(bench.node)


def services_are_flooded(bench: Bench) -> None:
    """Requests of every kind, many at once; all are answered."""
    asked: list[Any] = []
    client = bench.graph.node.create_client(SetTarget, f"{TRACKER}/set_target", qos_profile=request_qos())
    removal = bench.graph.node.create_client(RemoveTarget, f"{TRACKER}/remove_target", qos_profile=request_qos())
    try:
        assert client.wait_for_service(10.0)
        assert removal.wait_for_service(10.0)
        for number in range(64):
            box = {"x": 40.0, "y": 40.0, "width": 30.0, "height": 30.0}
            if number % 3 == 0:
                box["width"] = [float("nan"), -1.0, 1e30, 0.0][number % 4]
            asked.append(client.call_async(SetTarget.Request(id=1000 + number, label="flood", **box)))
            asked.append(removal.call_async(RemoveTarget.Request(id=5000 + number)))
        wait_until(lambda: all(future.done() for future in asked), 60.0, "answers to all requests")
        for number in range(64):
            asked.append(removal.call_async(RemoveTarget.Request(id=1000 + number)))
        wait_until(lambda: all(future.done() for future in asked), 60.0, "answers to all removals")
    finally:
        bench.graph.node.destroy_client(client)
        bench.graph.node.destroy_client(removal)


def parameters_are_stormed(bench: Bench) -> None:
    """Parameters are set to right and wrong values in quick succession."""
    values = [
        ("debug_image_scale", 0.5),
        ("debug_image_scale", -1.0),
        ("max_targets", 8),
        ("max_targets", 0),
        ("stamp_patience", "long"),
        ("device", "cuda:7"),
        ("nosuch", 1),
        ("hang_timeout", 10.0),
        ("state_file", "/etc/passwd"),
        ("debug_image_scale", 1.0),
    ]
    for _ in range(4):
        for name, value in values:
            bench.graph.set_parameter(name, value)
    assert bench.graph.set_parameter("max_targets", 16) == ""


SCENARIOS: dict[str, Callable[[Bench], None]] = {
    each.__name__: each
    for each in (
        camera_stalls,
        camera_dies,
        camera_changes,
        clock_jumps,
        day_of_stamps,
        node_is_stopped,
        hostile_images,
        large_images,
        many_targets,
        subscribers_come_and_go,
        lifecycle_cycles,
        services_are_flooded,
        parameters_are_stormed,
    )
}


def survive(bench: Bench, name: str, target: int) -> None:
    """Run a scenario; the target, which it does not touch, must be tracked after it, and nothing be broken."""
    SCENARIOS[name](bench)
    bench.wait_tracked(target)
    log = bench.node.log()
    assert bench.node.exit_status() is None, log
    for word in ("Traceback", "defect"):
        assert word not in log, log
    with pytest.raises(TrackerError, match="there is no target"):
        bench.client.remove_target(4_000_000_000, timeout=60.0)


def _like(message: Image, pixels: np.ndarray) -> Image:
    other = bgr_to_message(np.ascontiguousarray(pixels))
    other.header = message.header
    return other


def _wait_images(bench: Bench, count: int) -> None:
    wanted = bench.sent + count
    wait_until(lambda: bench.sent >= wanted, 60.0, f"{count} images")


def _for_images(bench: Bench, count: int, change: Callable[[Image], Image]) -> None:
    bench.change = change
    _wait_images(bench, count)
    bench.change = lambda message: message
    _wait_images(bench, 1)
