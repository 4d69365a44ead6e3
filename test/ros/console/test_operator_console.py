"""The node operator_console beside a real tracker node over real DDS, seen by a client that speaks as the page does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed here")
pytest.importorskip("aiohttp", reason="aiohttp is not installed here")

from geometry_msgs.msg import Point32, PointStamped, Polygon, PolygonStamped
from made_session import Visitor, run
from rclpy.node import Node
from tracker_graph import TRACKER, Camera, Graph, Scene, wait_ready, wait_until

from siam_tracker_core.bags import BagReader
from siam_tracker_ros.client import TrackerClient, TrackerError
from siam_tracker_ros.console.operator_console import OperatorConsole
from siam_tracker_ros.node_process import NodeProcess


class Console:
    """The console's node in a process of its own."""

    def __init__(self, environment: Mapping[str, str], recordings: Path, *arguments: str) -> None:
        self.log = recordings / "console.log"
        command = [sys.executable, "-m", "siam_tracker_ros.console.main", "--ros-args", "-p", "port:=0"]
        command += ["-p", f"recordings:={recordings}", *arguments]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=dict(environment))

    @property
    def port(self) -> int:
        found = wait_until(lambda: re.search(r"http://127\.0\.0\.1:(\d+)/", self.words()), 90.0, "the console")
        return int(found.group(1))

    def words(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=20)


class Film:
    """The scene, few pictures a second for a loaded machine, to and fro, until it is stopped."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._scene = Scene()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    def _play(self) -> None:
        moment = 0
        while not self._over.wait(0.4):
            back_and_forth = moment % 60
            step = back_and_forth if back_and_forth < 30 else 60 - back_and_forth
            self._camera.send(self._camera.message(self._scene.image(step)))
            moment += 1

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


@pytest.fixture(scope="module")
def graph() -> Iterator[Graph]:
    graph = Graph()
    yield graph
    graph.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="module")
def console(graph: Graph, ros_environment: Mapping[str, str], place: Path) -> Iterator[Console]:
    """Started first, so that it is seen to wait for the tracker and for the camera."""
    console = Console(ros_environment, place)
    assert console.port
    yield console
    assert console.stop() == 0, console.words()
    assert "Traceback" not in console.words()


@pytest.fixture(scope="module")
def tracker(graph: Graph, console: Console, ros_environment: Mapping[str, str]) -> Iterator[TrackerClient]:
    with (
        NodeProcess({"tracker": "siamfc", "device": "cpu"}, environment=ros_environment) as node,
        TrackerClient(graph.node, TRACKER) as client,
    ):
        wait_ready(client, node)
        yield client


@pytest.fixture(scope="module")
def film(graph: Graph, tracker: TrackerClient) -> Iterator[Film]:
    camera = Camera(graph)
    wait_until(lambda: camera.heard, what="the node's subscription")
    film = Film(camera)
    yield film
    film.stop()


async def picture_with(visitor: Visitor, condition) -> dict:
    """The first picture of which a condition holds."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        picture = await visitor.next("picture")
        await visitor.send(type="shown", number=picture["number"])
        if condition(picture):
            return picture
    raise AssertionError(f"no such picture came; the last one was {picture | {'jpeg': len(picture['jpeg'])}}")


async def answer_to(visitor: Visitor, **request: object) -> dict:
    await visitor.send(request=1, **request)
    answer = {}
    while answer.get("request") != 1:
        answer = await visitor.next("answer")
    return answer


async def status_with(visitor: Visitor, condition) -> dict:
    for _ in range(120):
        status = await visitor.next("status")
        if condition(status):
            return status
    raise AssertionError(f"no such status came; the last one was {status}")


def test_it_steps_back_for_the_tracker(console: Console) -> None:
    assert os.getpriority(os.PRIO_PROCESS, console.process.pid) == min(os.getpriority(os.PRIO_PROCESS, 0) + 5, 19)


def test_it_says_what_is_missing(console: Console) -> None:
    async def look(visitor: Visitor) -> None:
        await visitor.come()
        await visitor.send(type="look", width=640)
        status = await status_with(visitor, lambda status: "image" in status["trouble"])
        assert "nobody publishes images on /image" in status["trouble"]
        assert any("there is no tracker node '/siam_tracker'" in fact.lower() for fact in status["details"])
        assert any("best effort" in fact for fact in status["details"])

    run(console, look)


def test_a_target_is_pointed_at_named_watched_and_removed(console: Console, film: Film) -> None:
    async def point(visitor: Visitor) -> None:
        await visitor.come()
        await visitor.send(type="look", width=640, response=0)
        shown = await picture_with(visitor, lambda picture: True)
        box = moment_of(shown)
        request = {"type": "set_target", "stamp": shown["stamp"], "label": "square"}
        answer = await answer_to(visitor, box=box, **request)
        assert answer["ok"], answer
        followed = await picture_with(visitor, lambda picture: picture["targets"] and picture["heat"])
        target = followed["targets"][0]
        assert (target["id"], target["label"]) == (answer["id"], "square")
        assert target["state"] == "tracking"
        x, y, width, height = followed["heat"]["region"]
        assert x < target["box"][0] < x + width
        assert y < target["box"][1] < y + height
        assert (await answer_to(visitor, type="rename_target", id=answer["id"], label="cube"))["ok"]
        await picture_with(visitor, lambda picture: picture["targets"] and picture["targets"][0]["label"] == "cube")
        refused = await answer_to(visitor, type="rename_target", id=99, label="")
        assert refused["message"].startswith("there is no target 99; the targets are: ")
        refused = await answer_to(visitor, box=[900, 900, 10, 10], **request)
        assert "outside the 320x240 image" in refused["message"], "in the node's own words"
        status = await status_with(visitor, lambda status: status["tracker"] == "siamfc" and status["latency_ms"])
        assert status["trouble"] == ""
        assert (await answer_to(visitor, type="remove_target", id=answer["id"]))["ok"]
        await picture_with(visitor, lambda picture: not picture["targets"])

    run(console, point)


def moment_of(picture: dict) -> list[float]:
    """The square's box in a picture, found in its pixels: the patch is where the picture differs from the scene's."""
    import cv2
    import numpy as np

    seen = cv2.imdecode(np.frombuffer(picture["jpeg"][jpeg_start(picture) :], np.uint8), cv2.IMREAD_COLOR).astype(int)
    scene = Scene()
    differences = [np.abs(seen - scene.image(moment)).mean() for moment in range(31)]
    box = scene.box(int(np.argmin(differences)))
    return [box.x, box.y, box.width, box.height]


def jpeg_start(picture: dict) -> int:
    heat = picture["heat"]
    return heat["rows"] * heat["columns"] if heat else 0


@pytest.mark.slow
def test_settings_recording_and_another_tracker(console: Console, film: Film, tracker: TrackerClient) -> None:
    async def act(visitor: Visitor) -> None:
        await visitor.come()
        settings = []
        while not settings:
            settings = (await visitor.next("hello"))["settings"]
        await visitor.send(type="look", width=640)
        shown = await picture_with(visitor, lambda picture: True)
        answer = await answer_to(visitor, type="set_target", stamp=shown["stamp"], box=moment_of(shown), label="kept")
        assert answer["ok"], answer
        by_name = {setting["name"]: setting for setting in settings}
        assert by_name["max_targets"]["value"] == 16
        assert "configuration" in by_name["tracker"]["locked"]
        assert (await answer_to(visitor, type="change_setting", name="max_targets", value=5))["ok"]
        refused = await answer_to(visitor, type="change_setting", name="max_targets", value=0)
        assert "from 1 to 1024" in refused["message"]

        assert (await answer_to(visitor, type="record", on=True))["ok"]
        status = await status_with(visitor, lambda status: status["recorded"] >= 8)
        assert (await answer_to(visitor, type="record", on=False))["ok"]
        with BagReader(status["recording"]) as bag:
            assert len(bag.truth()) == len(bag) >= 8

        changed = await answer_to(visitor, type="change_tracker", name="siamrpn_mobilenetv2")
        assert changed["ok"], changed
        await status_with(visitor, lambda status: status["tracker"] == "siamrpn_mobilenetv2")
        kept = await picture_with(visitor, lambda picture: picture["targets"])
        assert (kept["targets"][0]["id"], kept["targets"][0]["label"]) == (answer["id"], "kept")
        assert (await answer_to(visitor, type="remove_target", id=0))["ok"]

    run(console, act)


def test_points_and_regions_of_other_tools_start_targets(graph: Graph, film: Film, tracker: TrackerClient) -> None:
    points = graph.node.create_publisher(PointStamped, f"{TRACKER}/point", 10)
    regions = graph.node.create_publisher(PolygonStamped, f"{TRACKER}/region", 10)
    wait_until(lambda: points.get_subscription_count() and regions.get_subscription_count(), what="the node's ears")
    point = PointStamped()
    point.point.x, point.point.y = 100.0, 110.0
    points.publish(point)
    wait_until(lambda: tracker.latest.targets, what="a target at the point")
    region = PolygonStamped(polygon=Polygon(points=[Point32(x=60.0, y=70.0), Point32(x=120.0, y=130.0)]))
    regions.publish(region)
    wait_until(lambda: len(tracker.latest.targets) == 2, what="a target in the region")
    assert tracker.remove_all() == 2
    with pytest.raises(TrackerError, match="there is no target 1"):
        tracker.label_target(1, "gone")


@pytest.mark.parametrize(
    ("parameter", "words"),
    [("image_transport:=theora", "expected raw or compressed"), ("niceness:=-5", "expected 0 to 19")],
)
def test_an_impossible_parameter_is_refused_in_words(
    parameter: str, words: str, ros_environment: Mapping[str, str], tmp_path: Path
) -> None:
    console = Console(ros_environment, tmp_path, "-p", parameter)
    assert console.process.wait(timeout=60) == 1
    assert words in console.words()
    assert "Traceback" not in console.words()
    assert os.environ["ROS_DOMAIN_ID"] == ros_environment["ROS_DOMAIN_ID"]


def test_its_end_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(Node, "destroy_node", lambda node: done.append("destroyed"))
    node = OperatorConsole.__new__(OperatorConsole)
    node._server = SimpleNamespace(stop=lambda: done.append("stopped"))
    node._session = SimpleNamespace(
        finish_recording=lambda: done.append("recorded"), close=lambda: done.append("closed")
    )
    node.finish()
    node.destroy_node()
    assert done == ["stopped", "recorded", "closed", "destroyed"]
