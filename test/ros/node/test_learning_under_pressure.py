"""Sixteen targets that learn, at a camera's rate: the node skips images and lessons, says so, and does not lag."""

from __future__ import annotations

import time
from collections.abc import Mapping
from statistics import median

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from tracker_graph import RELIABLE, TRACKER, Camera, Graph, Inbox, Scene, wait_ready, wait_until

from siam_tracker_core import Box
from siam_tracker_ros.client import TrackerClient
from siam_tracker_ros.interfaces import TrackedTargetArray
from siam_tracker_ros.node_process import NodeProcess

TARGETS, ANSWERS, PERIOD = 16, 12, 1 / 30
PATIENCE = 120.0  # seconds for them, however loaded the machine is


def test_many_targets_that_learn_skip_and_never_lag(ros_environment: Mapping[str, str]) -> None:
    parameters = {
        "tracker": "siamrpn_mobilenetv2_online",
        "device": "cpu",
        "threads": 1,
        "max_targets": TARGETS,
        "diagnostics_period": 0.2,
    }
    graph, scene = Graph(), Scene()
    sent: dict[int, float] = {}
    arrivals: list[tuple[float, float]] = []

    def note(message: TrackedTargetArray) -> None:
        if (start := sent.get(message.header.stamp.sec * 10**9 + message.header.stamp.nanosec)) is not None:
            arrivals.append((time.monotonic(), time.monotonic() - start))

    try:
        with (
            NodeProcess(parameters, environment=ros_environment) as node,
            TrackerClient(graph.node, TRACKER) as client,
            Inbox(graph, DiagnosticArray, "/diagnostics") as diagnostics,
        ):
            wait_ready(client, node)
            graph.node.create_subscription(TrackedTargetArray, f"{TRACKER}/tracks", note, RELIABLE)
            camera = Camera(graph)
            camera.wait_connected(node)

            def seen() -> bool:
                camera.send(camera.message(scene.image(0)))  # again and again: a best-effort subscription may lose one
                time.sleep(0.1)
                return "the first image on" in node.log()

            wait_until(seen, what="the first image")
            for number in range(TARGETS):
                place = scene.box(0)
                client.set_target(Box(place.x + number % 4, place.y + number // 4, place.width, place.height))
            next_time = time.monotonic()
            deadline = next_time + PATIENCE
            moment = 0
            while len(arrivals) < ANSWERS and next_time < deadline:
                message = camera.message(scene.image(1 + moment % 60))
                moment += 1
                sent[message.header.stamp.sec * 10**9 + message.header.stamp.nanosec] = time.monotonic()
                camera.send(message)
                next_time += PERIOD
                time.sleep(max(0.0, next_time - time.monotonic()))
            said = wait_until(
                lambda: next(
                    (
                        values
                        for each in diagnostics.messages
                        for values in [{pair.key: pair.value for pair in each.status[0].values}]
                        if any("passed over: another image was waiting" in value for value in values.values())
                    ),
                    None,
                ),
                what="a word about lessons that were passed over",
            )
            assert "Traceback" not in node.log()
        assert ANSWERS <= len(arrivals) < len(sent)  # some were skipped
        assert int(said["images_dropped"]) > 0
        # An image waits for the one before it at most, however long that takes.
        between = np.diff([arrival for arrival, _ in arrivals])
        assert median(lag for _, lag in arrivals) < 3 * np.median(between)
    finally:
        graph.close()
