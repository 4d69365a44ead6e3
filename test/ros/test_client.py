"""The client does what it says from wherever it is called, and never waits for its caller to spin."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.time import Time
from tracker_graph import TRACKER, Camera, Graph, Scene, box_of, wait_ready, wait_until

from siam_tracker_core import Box
from siam_tracker_ros.client import TrackerClient, TrackerError, TrackerTimeout
from siam_tracker_ros.interfaces import TrackedTargetArray
from siam_tracker_ros.node_process import NodeProcess

NAMESPACE = "/robot"


@dataclass
class Setup:
    graph: Graph
    camera: Camera
    scene: Scene


@pytest.fixture(scope="module")
def setup(ros_environment: Mapping[str, str]) -> Iterator[Setup]:
    """A tracker in a namespace, with a camera before it."""
    graph = Graph()
    environment = dict(ros_environment, OMP_NUM_THREADS="1")
    with NodeProcess({"device": "cpu", "stamp_patience": 0.1}, {"__ns": NAMESPACE}, environment) as node:
        try:
            with TrackerClient(graph.node, NAMESPACE + TRACKER) as client:
                wait_ready(client, node)
            camera = Camera(graph, f"{NAMESPACE}/image")
            camera.wait_connected(node)
            yield Setup(graph, camera, Scene())
        finally:
            graph.close()


@pytest.fixture
def user(setup: Setup) -> Iterator[Any]:
    """A user's node that nothing spins."""
    node = rclpy.create_node("user", namespace=NAMESPACE, context=setup.graph.context)
    yield node
    node.destroy_node()


@pytest.fixture
def client(user: Any) -> Iterator[TrackerClient]:
    with TrackerClient(user, "siam_tracker") as client:  # relative: found in the user's namespace
        client.wait_until_ready()
        client.remove_all()
        yield client


def follow(client: TrackerClient, setup: Setup) -> None:
    """A target's whole way through the client."""
    first = setup.camera.send(setup.camera.message(setup.scene.image(0)))
    target = client.set_target(setup.scene.box(0), stamp=first, label="square")
    message = setup.camera.send(setup.camera.message(setup.scene.image(1)))
    track = client.wait_for_track(target, message)
    assert box_of(track).iou(setup.scene.box(1)) > 0.5
    assert client.latest is not None
    client.remove_target(target)


def test_the_users_node_is_not_spun(client: TrackerClient, setup: Setup) -> None:
    follow(client, setup)


def test_the_users_node_is_spun_in_the_background(client: TrackerClient, user: Any, setup: Setup) -> None:
    executor = SingleThreadedExecutor(context=setup.graph.context)
    executor.add_node(user)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    try:
        follow(client, setup)
    finally:
        executor.shutdown()
        thread.join()


def test_called_from_a_callback_of_the_users_node(client: TrackerClient, user: Any, setup: Setup) -> None:
    outcome: list[object] = []

    def callback() -> None:
        timer.cancel()
        try:
            follow(client, setup)
            outcome.append("followed")
        except Exception as error:
            outcome.append(error)

    timer = user.create_timer(0.01, callback)
    executor = SingleThreadedExecutor(context=setup.graph.context)
    executor.add_node(user)
    deadline = time.monotonic() + 30
    with contextlib.suppress(ExternalShutdownException):
        while not outcome and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    assert outcome == ["followed"]


def test_every_form_of_stamp_and_box(client: TrackerClient, setup: Setup) -> None:
    message = setup.camera.send(setup.camera.message(setup.scene.image(0)))
    header, box = message.header, setup.scene.box(0)
    client.wait_for_tracks(message)
    for stamp in (message, header, header.stamp, Time.from_msg(header.stamp), None):
        assert client.set_target(box, stamp=stamp, id=5) == 5
        assert client.wait_for_tracks(stamp if stamp is not None else header).header.stamp == header.stamp
    for form in (box, box.to_array(), list(box.to_array()), tuple(box.to_array())):
        assert client.set_target(form, id=5) == 5
    with pytest.raises(ValueError, match="needs 4 numbers"):
        client.set_target((1, 2, 3))
    with pytest.raises(TypeError, match="a float is no time stamp"):
        client.set_target(box, stamp=1.5)


def test_the_trackers_own_words_come_through(client: TrackerClient, setup: Setup) -> None:
    setup.camera.send(setup.camera.message(setup.scene.image(0)))
    with pytest.raises(TrackerError, match="lies outside the 320x240 image"):
        client.set_target((1000, 1000, 20, 20))
    with pytest.raises(TrackerError, match="there is no target 4711"):
        client.remove_target(4711)


def test_waiting_ends(client: TrackerClient, user: Any, setup: Setup) -> None:
    with pytest.raises(TrackerTimeout, match=r"no track of target 4711 came from 'siam_tracker' within 0.1 seconds"):
        client.wait_for_track(4711, timeout=0.1)
    message = setup.camera.message(setup.scene.image(0))  # never sent
    with pytest.raises(TrackerTimeout, match="no answer for the image of"):
        client.wait_for_tracks(message, timeout=0.1)
    with TrackerClient(user, "/nobody") as lonely:
        with pytest.raises(TrackerTimeout, match="'/nobody' is not there; is its node running"):
            lonely.wait_until_ready(timeout=0.2)
        with pytest.raises(TrackerTimeout, match="there is no service /nobody/set_target"):
            lonely.set_target((1, 2, 3, 4), timeout=0.2)
        assert lonely.latest is None


def test_waiting_for_whatever_comes_next(client: TrackerClient, setup: Setup) -> None:
    client.wait_for_tracks(setup.camera.send(setup.camera.message(setup.scene.image(0))))  # else they may come next
    target = client.set_target(setup.scene.box(0))
    message = setup.camera.message(setup.scene.image(1))
    threading.Timer(0.3, setup.camera.send, (message,)).start()
    track = client.wait_for_track(target)
    assert (track.header.stamp, track.age) == (message.header.stamp, 1)
    threading.Timer(0.3, setup.camera.send, (setup.camera.message(setup.scene.image(2)),)).start()
    assert len(client.wait_for_tracks().targets) == 1


def test_every_answer_is_passed_on(user: Any, setup: Setup) -> None:
    answers: list[TrackedTargetArray] = []
    refusals: list[Exception] = []
    with TrackerClient(user, "siam_tracker") as asked:

        def on_tracks(tracks: TrackedTargetArray) -> None:
            answers.append(tracks)
            try:
                asked.remove_all()
            except RuntimeError as error:
                refusals.append(error)

        with TrackerClient(user, "siam_tracker", on_tracks=on_tracks) as client:
            client.wait_until_ready()
            message = setup.camera.send(setup.camera.message(setup.scene.image(0)))
            client.wait_for_tracks(message)
            wait_until(lambda: answers)
            assert answers[-1].header.stamp == message.header.stamp
        # Another client may be asked from there; this one's thread is busy with the very answer.
        assert refusals == []


def test_a_call_from_on_tracks_is_refused_rather_than_waiting_for_itself(user: Any, setup: Setup) -> None:
    refusals: list[Exception] = []
    clients: list[TrackerClient] = []

    def on_tracks(tracks: TrackedTargetArray) -> None:
        try:
            clients[0].remove_all()
        except RuntimeError as error:
            refusals.append(error)

    with TrackerClient(user, "siam_tracker", on_tracks=on_tracks) as client:
        clients.append(client)
        client.wait_until_ready()
        setup.camera.send(setup.camera.message(setup.scene.image(0)))
        wait_until(lambda: refusals)
    assert "on_tracks must not call the tracker" in str(refusals[0])


def test_the_example_of_a_client_follows_a_target(setup: Setup, repository_root: Path) -> None:
    box = setup.scene.box(0)
    words = [f"{box.x},{box.y},{box.width},{box.height}", "2", NAMESPACE + TRACKER]
    command = [sys.executable, str(repository_root / "examples" / "ros_client.py"), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        while process.poll() is None:
            setup.camera.send(setup.camera.message(setup.scene.image(0)))
            time.sleep(0.05)
        assert process.stdout is not None
        said = process.stdout.read()
    assert process.returncode == 0, said
    rows = [re.fullmatch(r"(\d+),(\d+),(\d+),(\d+) tracking", line) for line in said.splitlines()]
    assert len(rows) == 2
    assert all(row and Box(*map(float, row.groups())).iou(box) > 0.8 for row in rows), said
