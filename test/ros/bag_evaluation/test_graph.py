"""The node of an evaluation: how it starts, dies and is ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import rclpy
from made_bag import FRAMES, read_tracks, sentence
from rclpy.context import Context
from rclpy.node import Node

from siam_tracker_ros.bag_evaluation import evaluate_bag, graph
from siam_tracker_ros.bag_evaluation.run import AnswerBook
from siam_tracker_ros.client import TrackerClient
from siam_tracker_ros.interfaces import TrackedTargetArray
from siam_tracker_ros.node_process import NodeProcess


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


@pytest.mark.slow
def test_a_node_that_dies_leaves_its_tracks_so_far(
    bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def started(*given: Any) -> NodeProcess:
        DeadlyBook.processes.append(NodeProcess(*given))
        return DeadlyBook.processes[-1]

    monkeypatch.setattr(graph, "NodeProcess", started)
    monkeypatch.setattr(graph, "AnswerBook", DeadlyBook)
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


@pytest.mark.slow
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


def test_the_environment_is_as_before() -> None:
    before = dict(os.environ)
    with graph.environment({"ROS_DOMAIN_ID": "99", "SIAM_TRACKER_TEST": "1"}):
        assert os.environ["ROS_DOMAIN_ID"] == "99"
    assert dict(os.environ) == before
