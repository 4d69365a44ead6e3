"""Images of a bag, published again at its own pace."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
from made_bag import FRAMES
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from siam_tracker_core.bags import BagFrame, BagReader
from siam_tracker_core.bags.types import header_stamp
from siam_tracker_core.datasets.made import MadeSequence
from siam_tracker_ros.bag_evaluation.replay import main as replay
from siam_tracker_ros.bag_evaluation.replay import paced, with_stamp
from siam_tracker_ros.qos import image_qos
from siam_tracker_ros.stamps import to_nanoseconds


def frames_at(times: list[float]) -> list[BagFrame]:
    return [BagFrame(i, 0, round(t * 1e9), b"", "sensor_msgs/msg/Image") for i, t in enumerate(times)]


def test_pacing_keeps_the_bags_distances_and_catches_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [50.0]
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    seen = []
    for frame in paced(frames_at([7.0, 7.5, 8.0, 8.5]), rate=0.5, clock=lambda: now[0]):
        seen.append(now[0] - 50)
        if frame.index == 1:
            now[0] += 1.4  # the consumer takes longer than the distance of one second
    np.testing.assert_allclose(seen, [0, 1, 2.4, 3], atol=1e-9)


def test_another_stamp_changes_nothing_else(bag: Path) -> None:
    with BagReader(bag) as reader:
        frame = next(reader.frames())
    changed = with_stamp(frame.raw, 12_000_000_034)
    assert header_stamp(changed) == 12_000_000_034
    assert with_stamp(changed, frame.stamp) == frame.raw


@pytest.fixture
def heard() -> Iterator[list[Image]]:
    """Images that arrive on /replayed."""
    images: list[Image] = []
    context = Context()
    rclpy.init(context=context)
    node = Node("hears", context=context)
    node.create_subscription(Image, "/replayed", images.append, image_qos("reliable", FRAMES))
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    yield images
    executor.shutdown()
    thread.join()
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.parametrize("stamps", ["original", "now"])
def test_replay_publishes_every_image(made: MadeSequence, bag: Path, heard: list[Image], stamps: str) -> None:
    began = time.time_ns()
    assert replay([str(bag), "--to", "/replayed", "--rate", "2", "--wait", "10", "--stamps", stamps]) == 0
    deadline = time.monotonic() + 5
    while len(heard) < FRAMES and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(heard) == FRAMES
    pixels = np.frombuffer(heard[-1].data, np.uint8).reshape(240, 320, 3)
    assert np.array_equal(pixels, made.frames[-1])
    found = [to_nanoseconds(image.header.stamp) for image in heard]
    if stamps == "original":
        with BagReader(bag) as reader:
            assert found == reader.stamps.tolist()
    else:
        assert began <= found[0] < found[-1] <= time.time_ns()


def test_replay_of_a_missing_bag_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay([str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.startswith("replay: ")
