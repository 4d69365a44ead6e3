"""Bags through the real node over real DDS: both modes, a running node, real footage, and what can go wrong."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from siam_tracker_core import load_tracker
from siam_tracker_core.bags import BagFrame, BagOptions, BagReader, write_sequence_bag
from siam_tracker_core.bags.types import header_stamp
from siam_tracker_core.datasets import read_sequence
from siam_tracker_core.datasets.made import MadeSequence, made_sequence
from siam_tracker_core.weights import sha256
from siam_tracker_core.zoo import find_weights
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER
from siam_tracker_ros.bag_evaluation import evaluate_bag
from siam_tracker_ros.bag_evaluation.replay import main as replay
from siam_tracker_ros.bag_evaluation.replay import paced, with_stamp
from siam_tracker_ros.bag_evaluation.run import AnswerBook, BagRun
from siam_tracker_ros.client import TrackerClient
from siam_tracker_ros.interfaces import TrackedTarget, TrackedTargetArray
from siam_tracker_ros.node_process import NodeProcess
from siam_tracker_ros.qos import image_qos
from siam_tracker_ros.stamps import from_nanoseconds, to_nanoseconds

FRAMES = 16


@pytest.fixture(scope="module")
def made() -> MadeSequence:
    return made_sequence(frames=FRAMES, size=(320, 240))


@pytest.fixture(scope="module")
def bag(made: MadeSequence, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag(made, tmp_path_factory.mktemp("bags") / "made")


def write_bag(made: MadeSequence, out: Path, **options: str) -> Path:
    options_ = BagOptions(**options)  # type: ignore[arg-type]
    return write_sequence_bag(out, made.frames, made.boxes, made.rate, "cat", options_, progress=False)


def read_tracks(out: Path) -> list[dict[str, str]]:
    with (out / "tracks.csv").open() as file:
        return list(csv.DictReader(file))


def test_every_frame(made: MadeSequence, bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert evaluate_bag.main([str(bag), "--out", str(out), "--device", "cpu", "--overlay"]) == 0
    scores = json.loads((out / "scores.json").read_text())
    assert scores["frames"] == FRAMES
    assert scores["frames_missed"] == 0
    assert scores["mode"] == "every_frame"
    assert 0.4 < scores["success_auc"] <= 20 / 21
    assert scores["latency_ms"]["p95"] >= scores["latency_ms"]["p50"] > 0
    rows = read_tracks(out)
    with BagReader(bag) as reader:
        stamps = [f"{stamp // 10**9}.{stamp % 10**9:09d}" for stamp in reader.stamps.tolist()]
    assert [row["stamp"] for row in rows] == stamps
    assert all(row["state"] in {"tracking", "uncertain", "lost"} and row["width"] for row in rows)
    first = [float(rows[0][key]) for key in ("x", "y", "width", "height")]
    np.testing.assert_allclose(first, made.boxes[0], atol=1e-3)
    video = cv2.VideoCapture(str(out / "overlay.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES
    page = (out / "report.html").read_text()
    assert "data:image/jpeg" in page, "the film strip is missing"
    assert sha256(find_weights(DEFAULT_TRACKER)) in page, "as in the reports of siam-tracker evaluate"
    assert "Hyper-parameters tuned on" in page
    assert "success (AUC)" in capsys.readouterr().out


def test_the_node_gives_the_trackers_own_boxes(made: MadeSequence, bag: Path, tmp_path: Path) -> None:
    """In lock step nothing between the bag and the scores may change a box."""
    assert evaluate_bag.main([str(bag), "--out", str(tmp_path), "--device", "cpu"]) == 0
    tracker = load_tracker(DEFAULT_TRACKER, device="cpu")
    tracker.init(made.frames[0], made.boxes[0])
    own = [tracker.update(frame).box.to_array() for frame in made.frames[1:]]
    through = [[float(row[key]) for key in ("x", "y", "width", "height")] for row in read_tracks(tmp_path)]
    np.testing.assert_allclose(through[1:], own, atol=0.1)


def test_real_time_over_compressed_images(made: MadeSequence, tmp_path: Path) -> None:
    bag = write_bag(made, tmp_path / "bag", storage="sqlite3", compressed="jpeg")
    out = tmp_path / "out"
    assert evaluate_bag.main([str(bag), "--out", str(out), "--device", "cpu", "--mode", "real_time"]) == 0
    scores = json.loads((out / "scores.json").read_text())
    rows = read_tracks(out)
    missed = [int(row["missed"]) for row in rows]
    assert scores["frames_missed"] == sum(missed)
    assert missed[0] == 0
    assert all(row["width"] for row in rows), "a missed frame repeats the last known box"
    assert all(not row["state"] for row, late in zip(rows, missed, strict=True) if late)


def run_of(stamps: list[int], book: AnswerBook) -> BagRun:
    reader = SimpleNamespace(
        path=Path("made"), stamps=np.array(stamps), recorded=np.array(stamps), __len__=lambda: len(stamps)
    )
    reader = type("Reader", (), {**vars(reader), "__len__": lambda self: len(stamps)})()
    truth = np.tile([10.0, 10, 20, 20], (len(stamps), 1))
    return BagRun(reader, truth, print, None, book, print, 1.0)  # type: ignore[arg-type]


def test_a_late_or_missing_answer_is_a_missed_frame_with_the_last_box_that_was_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stamps = [1_000_000_000 * (1 + index) for index in range(5)]
    book = AnswerBook()
    run = run_of(stamps, book)
    run.target = 3
    run.published = np.array([100.0, 101, 102, 103, 104])
    # image 1 in time, image 2 late (while 3 is due), image 3 never, image 4 in time
    for index, when in ((1, 101.5), (2, 103.5), (4, 104.9)):
        monkeypatch.setattr(time, "monotonic", lambda when=when: when)
        track = TrackedTarget(id=3, x=float(index), y=0.0, width=5.0, height=5.0, score=0.5)
        answer = TrackedTargetArray(targets=[TrackedTarget(id=2), track])
        answer.header.stamp = from_nanoseconds(stamps[index])
        book.take(answer)
    result = run.result("real_time")
    assert result.missed.tolist() == [False, False, True, True, False]
    assert result.predicted[:, 0].tolist() == [10, 1, 1, 2, 4]
    assert result.states == ("tracking", "tracking", None, None, "tracking")
    np.testing.assert_allclose(result.seconds, [np.nan, 0.5, 1.5, np.nan, 0.9])
    patient = run.result("every_frame")
    assert patient.missed.tolist() == [False, False, False, True, False]
    assert np.isnan(patient.predicted[3]).all()


def test_a_target_that_comes_later_is_shown_when_it_comes(made: MadeSequence, tmp_path: Path) -> None:
    boxes = made.boxes.copy()
    boxes[:4] = np.nan
    bag = write_sequence_bag(tmp_path / "bag", made.frames[:8], boxes[:8], 30.0, progress=False)
    assert evaluate_bag.main([str(bag), "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0
    rows = read_tracks(tmp_path / "out")
    assert [bool(row["width"]) for row in rows] == [False] * 4 + [True] * 4


def test_a_running_node_is_used_and_left_as_it_was(
    bag: Path, tmp_path: Path, ros_environment: Mapping[str, str]
) -> None:
    remappings = {"__ns": "/robot", "image": "/robot/camera"}
    with NodeProcess({"device": "cpu"}, remappings, dict(ros_environment)) as node:
        arguments = ["--use-running-node", "/robot/siam_tracker", "--node-image-topic", "/robot/camera"]
        assert evaluate_bag.main([str(bag), "--out", str(tmp_path), *arguments]) == 0, node.log()
        assert json.loads((tmp_path / "scores.json").read_text())["frames"] == FRAMES
        assert node.exit_status() is None
        context = Context()
        rclpy.init(context=context)
        client = TrackerClient(Node("asks", context=context), "/robot/siam_tracker")
        client.wait_until_ready()
        assert client.remove_all() == 0, "the evaluation must take its own target back"
    client.close()
    rclpy.shutdown(context=context)


def test_crossing(shared_data: Path, tmp_path: Path) -> None:
    sequence = read_sequence(shared_data / "test" / "Crossing").head(40)
    images = (sequence.image(index) for index in range(len(sequence)))
    bag = write_sequence_bag(tmp_path / "bag", images, sequence.boxes, 30.0, progress=False)
    assert evaluate_bag.main([str(bag), "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert scores["frames"] == 40
    assert scores["success_auc"] > 0.3


def sentence(capsys: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("evaluate_bag: ")]
    assert len(lines) == 1
    return lines[0]


def test_a_wrong_bag_or_ground_truth_is_one_sentence(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "out")]
    assert evaluate_bag.main([str(tmp_path / "none"), *out]) == 1
    assert "none does not exist; expected a rosbag2 folder" in sentence(capsys)
    assert evaluate_bag.main([str(bag), *out, "--image-topic", "/camera"]) == 1
    assert "the bag's image topics are: /camera/image_raw" in sentence(capsys)
    (tmp_path / "boxes.txt").write_text("1,1,5,5\n")
    assert evaluate_bag.main([str(bag), *out, "--groundtruth", str(tmp_path / "boxes.txt")]) == 1
    assert f"has {FRAMES} images on /camera/image_raw but" in sentence(capsys)
    assert evaluate_bag.main([str(bag), *out, "--weights", str(tmp_path / "w.safetensors")]) == 1
    assert "w.safetensors does not exist" in sentence(capsys)


def test_a_node_that_cannot_load_its_tracker_is_not_waited_for(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    assert evaluate_bag.main([str(bag), "--out", str(tmp_path), "--tracker", "nothing"]) == 1
    assert time.monotonic() - began < 60
    said = sentence(capsys)
    assert "the tracker node could not be started" in said
    assert "nothing" in said
    assert (tmp_path / "node.log").is_file()


class DeadlyBook(AnswerBook):
    """Kills the node once it has answered six images."""

    processes: list[NodeProcess] = []  # noqa: RUF012
    answers = 0

    def take(self, answer: TrackedTargetArray) -> None:
        super().take(answer)
        DeadlyBook.answers += 1
        if DeadlyBook.answers == 6:
            DeadlyBook.processes[-1]._process.kill()


def test_a_node_that_dies_leaves_its_tracks_so_far(
    bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def started(*given: Any) -> NodeProcess:
        DeadlyBook.processes.append(NodeProcess(*given))
        return DeadlyBook.processes[-1]

    monkeypatch.setattr(evaluate_bag, "NodeProcess", started)
    monkeypatch.setattr(evaluate_bag, "AnswerBook", DeadlyBook)
    assert evaluate_bag.main([str(bag), "--out", str(tmp_path), "--device", "cpu"]) == 1
    captured = capsys.readouterr().err
    assert "the tracker node ended with status -9; the last lines of its log:" in captured
    assert "following target 1" in captured
    rows = read_tracks(tmp_path)
    assert len(rows) == FRAMES
    assert 5 <= sum(bool(row["width"]) for row in rows) < FRAMES
    assert not (tmp_path / "scores.json").exists()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc to see child processes")
def test_it_ends_its_node_when_it_is_ended(
    bag: Path, tmp_path: Path, ros_environment: Mapping[str, str], repository_root: Path
) -> None:
    command = [sys.executable, "-m", "siam_tracker_ros.bag_evaluation.evaluate_bag", str(bag), "--out", str(tmp_path)]
    # so slow that it is still at it
    process = subprocess.Popen(
        [*command, "--mode", "real_time", "--rate", "0.01"], env=dict(ros_environment), cwd=repository_root
    )
    try:
        nodes: list[int] = []
        deadline = time.monotonic() + 60
        while not nodes and time.monotonic() < deadline:
            time.sleep(0.1)
            nodes = children(process.pid)
        time.sleep(1.0)
        process.terminate()
        assert process.wait(30) == 128 + signal.SIGTERM
        assert nodes
        assert not any(Path(f"/proc/{node}").exists() for node in nodes)
    finally:
        process.kill()


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


def test_the_environment_is_as_before() -> None:
    before = dict(os.environ)
    with evaluate_bag._environment({"ROS_DOMAIN_ID": "99", "SIAM_TRACKER_TEST": "1"}):
        assert os.environ["ROS_DOMAIN_ID"] == "99"
    assert dict(os.environ) == before
