"""Requests in a flood, beside ones that wait, and from callers who give up."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tracker_graph import TRACKER, Camera, Graph, Scene, wait_ready, wait_until

from siam_tracker_ros.client import TrackerClient, TrackerError, TrackerTimeout
from siam_tracker_ros.interfaces import SetTarget
from siam_tracker_ros.node_process import NodeProcess
from siam_tracker_ros.qos import request_qos
from siam_tracker_ros.stamps import from_nanoseconds

PARAMETERS = {"device": "cpu", "stamp_patience": 10.0, "max_targets": 4}


class Asked:
    """A node, a camera and a client."""

    def __init__(self, graph: Graph, node: NodeProcess, client: TrackerClient, camera: Camera) -> None:
        self.graph, self.node, self.client, self.camera = graph, node, client, camera
        self.scene = Scene()
        self.requests = graph.node.create_client(SetTarget, f"{TRACKER}/set_target", qos_profile=request_qos())

    def request(self, **fields: Any) -> Any:
        box = self.scene.box(0)
        given = {name: float(getattr(box, name)) for name in ("x", "y", "width", "height")} | fields
        return self.requests.call_async(SetTarget.Request(**given))

    def show(self, moment: int) -> Any:
        message = self.camera.send(self.camera.message(self.scene.image(moment)))
        self.client.wait_for_tracks(message)
        return message


@pytest.fixture(scope="module")
def asked(ros_environment: Mapping[str, str]) -> Iterator[Asked]:
    graph = Graph()
    try:
        with (
            NodeProcess(PARAMETERS, environment=ros_environment) as node,
            TrackerClient(graph.node, TRACKER) as client,
        ):
            wait_ready(client, node)
            camera = Camera(graph)
            camera.wait_connected(node)
            asked = Asked(graph, node, client, camera)
            asked.show(0)
            yield asked
            assert node.stop() == 0
            assert "Traceback" not in node.log()
    finally:
        graph.close()


def test_a_flood_of_requests_is_answered_to_the_last(asked: Asked) -> None:
    futures = [asked.request() for _ in range(64)]
    wait_until(lambda: all(future.done() for future in futures), 60.0, "64 answers")
    answers = [future.result() for future in futures]
    assert [answer.success for answer in answers].count(True) == 4, {answer.message for answer in answers}
    assert len({answer.id for answer in answers if answer.success}) == 4
    refusals = {answer.message for answer in answers if not answer.success}
    assert refusals == {
        "4 targets are followed already and the parameter max_targets is 4; remove a target first, or raise max_targets"
    }
    assert asked.client.remove_all() == 4


def test_sixteen_callers_at_once_get_sixteen_answers(asked: Asked) -> None:
    """As sixteen ``ros2 service call`` do: a client each, with the usual QoS of services, which keeps ten messages."""
    box = SetTarget.Request(x=60.0, y=70.0, width=48.0, height=48.0)
    callers = [asked.graph.node.create_client(SetTarget, f"{TRACKER}/set_target") for _ in range(16)]
    try:
        wait_until(lambda: all(caller.service_is_ready() for caller in callers), what="sixteen clients")
        futures = [caller.call_async(box) for caller in callers]
        wait_until(lambda: all(future.done() for future in futures), 30.0, "sixteen answers")
        answers = [future.result() for future in futures]
    finally:
        for caller in callers:
            asked.graph.node.destroy_client(caller)
    assert [answer.success for answer in answers].count(True) == PARAMETERS["max_targets"]
    assert all(answer.success or "max_targets is 4" in answer.message for answer in answers)
    assert asked.client.remove_all() == 4


def test_requests_go_by_one_that_waits_for_its_image(asked: Asked) -> None:
    newest = asked.show(0)
    stamp = newest.header.stamp
    to_come = from_nanoseconds(stamp.sec * 10**9 + stamp.nanosec + 33_000_000)
    request = SetTarget.Request(x=60.0, y=70.0, width=48.0, height=48.0)
    request.header.stamp = to_come
    waiting = asked.requests.call_async(request)
    other = asked.client.set_target(asked.scene.box(0))
    asked.client.remove_target(other)
    assert asked.client.remove_all() == 0
    with pytest.raises(TrackerError, match="is not finite"):
        asked.client.set_target((float("nan"), 0, 10, 10))
    assert not waiting.done()
    assert asked.show(0).header.stamp == to_come
    wait_until(waiting.done, what="the answer of the one that waited")
    assert waiting.result().success
    assert asked.client.remove_all() == 1


def test_a_new_target_is_taken_back_when_its_caller_has_given_up(asked: Asked) -> None:
    asked.show(0)
    asked.node.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(TrackerTimeout, match=r"did not answer within 0\.5 seconds"):
            asked.client.set_target(asked.scene.box(0), label="late", timeout=0.5)
    finally:
        asked.node.send_signal(signal.SIGCONT)
    wait_until(lambda: "'late'" in asked.node.log(), what="the late target")
    number = asked.node.log().split(" 'late'")[0].rsplit(" ", 1)[-1]
    wait_until(lambda: f"target {number} is removed" in asked.node.log(), what="its removal")
