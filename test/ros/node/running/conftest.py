"""One node for all tests of this folder: starting one takes longer than any of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from running_node import HISTORY, Setup
from tracker_graph import TRACKER, Camera, Graph, Inbox, Scene, wait_ready

from siam_tracker_ros.client import TrackerClient
from siam_tracker_ros.node_process import NodeProcess


@pytest.fixture(scope="package")
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
                camera.wait_connected(node)
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
