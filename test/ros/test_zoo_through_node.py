"""Every tracker of the zoo follows real footage through the real node."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from tracker_graph import TRACKER, Camera, Graph, box_of, wait_ready

from siam_tracker_core import Box
from siam_tracker_core.datasets.otb_form import read_sequence
from siam_tracker_core.zoo import read_zoo
from siam_tracker_ros.client import TrackerClient, TrackerTimeout
from siam_tracker_ros.interfaces import TrackedTarget
from siam_tracker_ros.node_process import NodeProcess

FRAMES = 16


def first_answered(client: TrackerClient, camera: Camera, image: NDArray[np.uint8]) -> Image:
    """The first message with an image that the node answers: on a busy machine best effort may lose one."""
    for attempt in range(6):
        message = camera.message(image)
        camera.send(message)
        try:
            client.wait_for_tracks(message)
        except TrackerTimeout:
            if attempt == 5:
                raise
        else:
            break
    return message


@pytest.mark.parametrize("name", read_zoo())
def test_a_pedestrian_is_followed(name: str, ros_environment: Mapping[str, str], shared_data: Path) -> None:
    """The first frames of OTB's Crossing, each answered before the next is shown."""
    sequence = read_sequence(shared_data / "test" / "Crossing")
    graph = Graph()
    environment = dict(ros_environment, OMP_NUM_THREADS="1")
    with NodeProcess({"tracker": name, "device": "cpu", "stamp_patience": 0.3}, environment=environment) as node:
        try:
            with TrackerClient(graph.node, TRACKER) as client:
                wait_ready(client, node)
                camera = Camera(graph)
                camera.wait_connected()
                message = first_answered(client, camera, sequence.image(0))
                target = client.set_target(Box.from_array(sequence.boxes[0]), stamp=message, timeout=60.0)
                overlaps, states = [], set()
                for index in range(1, FRAMES):
                    message = camera.message(sequence.image(index))
                    camera.send(message)
                    track = client.wait_for_track(target, message, timeout=60.0)
                    overlaps.append(box_of(track).iou(Box.from_array(sequence.boxes[index])))
                    states.add(track.state)
            assert node.stop() == 0
            assert "Traceback" not in node.log()
        finally:
            graph.close()
    assert min(overlaps) > 0.2
    assert sum(overlaps) / len(overlaps) > 0.5
    assert TrackedTarget.STATE_LOST not in states
