"""What positions, predictions and detections cost the node for each image, measured as pairs: off, on, off, on, ...

``python -m siam_tracker_ros.robot_side.benchmark``: the real node in a process of its own, with pictures, depth and
calibration of the made world. It is switched off and on by its parameters, so that both halves of a pair are of one
process, moments apart. Processor time is that of the whole node, so receiving the depth image counts too.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import CameraInfo, Image

from siam_tracker_core.simulation import FollowWorld, Script
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER
from siam_tracker_ros.client import TrackerClient, TrackerError
from siam_tracker_ros.first_image import until_seen
from siam_tracker_ros.follow_demo.messages import camera_info_message, depth_message, header_at, image_message
from siam_tracker_ros.interfaces import TrackedTarget, TrackedTargetArray
from siam_tracker_ros.node_process import NodeProcess, large_data_environment
from siam_tracker_ros.qos import image_qos, output_qos
from siam_tracker_ros.spinning import Spinning

_NAMESPACE = "/siam_tracker_benchmark"
_TRACKER = f"{_NAMESPACE}/siam_tracker"
_WARM_UP = 15  # images after each switch that are not counted

OFF: dict[str, str | float] = {"positions": "off", "prediction_rate": 0.0, "detections": "off"}
ON: dict[str, str | float] = {"positions": "depth", "prediction_rate": 30.0, "detections": "siam_tracker_msgs"}


@dataclass(frozen=True)
class Half:
    """One half of a pair; medians and means over its images, in milliseconds.

    Attributes:
        round_trip: median, from before publishing an image to its tracks' arrival.
        processor: mean of the node's processor time for an image, over all its threads.
    """

    round_trip: float
    processor: float


class Camera:
    """The made world in front of the node, and the node's switch.

    Args:
        size: width and height of the pictures.
        rate: pictures a second at most; each waits for the tracks of the one before.
    """

    def __init__(self, size: tuple[int, int], rate: float) -> None:
        self.node = rclpy.create_node("camera", namespace=_NAMESPACE)
        self._world = FollowWorld(Script(walk=0.0, pillar=False, look_alike=False), size)
        self._picture = self._world.picture()
        self._period = 1 / rate
        self._image = self.node.create_publisher(Image, "image", image_qos("best_effort", 1))
        self._info = self.node.create_publisher(CameraInfo, "camera_info", image_qos("best_effort", 1))
        self._depth = self.node.create_publisher(Image, "depth", image_qos("best_effort", 1))
        self._detections = self.node.create_publisher(TrackedTargetArray, "detections", output_qos(1))
        self._spinning = Spinning(self.node)

    def close(self) -> None:
        """Leave the ROS graph."""
        self._spinning.stop()
        self.node.destroy_node()

    @property
    def box(self) -> Any:
        """Of the target."""
        return self._world.box

    def show(self, client: TrackerClient) -> float:
        """Publish a picture and all that belongs to it, and wait for its tracks; gives the seconds that took."""
        header = header_at(time.time())
        box = self.box
        seen = TrackedTarget(x=box.x, y=box.y, width=box.width, height=box.height, label="figure", score=0.9)
        image = image_message(header, self._picture.image)
        if self._depth.get_subscription_count():
            self._info.publish(camera_info_message(header, self._world.calibration))
            self._depth.publish(depth_message(header, self._picture.depth))
            self._detections.publish(TrackedTargetArray(header=header, targets=[seen]))
        began = time.monotonic()
        self._image.publish(image)
        client.wait_for_tracks(header, timeout=5.0)
        return time.monotonic() - began

    def film(self, client: TrackerClient, count: int, pid: int) -> Half:
        """Show so many pictures at the rate."""
        trips = []
        for number in range(-_WARM_UP, count):
            began = time.monotonic()
            if number == 0:
                before = processor_seconds(pid)
            trips.append(self.show(client))
            time.sleep(max(0.0, self._period - (time.monotonic() - began)))
        used = processor_seconds(pid) - before
        return Half(round(median(trips[_WARM_UP:]) * 1e3, 3), round(used / count * 1e3, 3))


def processor_seconds(pid: int) -> float:
    """What a process has used of all cores so far, on Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def switch(client: TrackerClient, values: dict[str, str | float]) -> None:
    """Give the node's parameters other values, which needs it inactive.

    Raises:
        TrackerError: if it refuses.
    """
    _change(client, Transition.TRANSITION_DEACTIVATE)
    parameters = [Parameter(name=name, value=_value(value)) for name, value in values.items()]
    answer = client.call(SetParameters, "set_parameters", SetParameters.Request(parameters=parameters))
    for result in answer.results:
        if not result.successful:
            raise TrackerError(result.reason)
    _change(client, Transition.TRANSITION_ACTIVATE)
    client.wait_until_ready(60.0)


def _change(client: TrackerClient, transition: int) -> None:
    request = ChangeState.Request(transition=Transition(id=transition))
    if not client.call(ChangeState, "change_state", request, timeout=60.0).success:
        raise TrackerError(f"the node refused the transition {transition}; its log says why")


def _value(value: str | float) -> ParameterValue:
    if isinstance(value, str):
        return ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value)
    return ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)


def measure(
    pairs: int, count: int, size: tuple[int, int], tracker: str, rate: float = 30.0, parts: Sequence[str] = tuple(ON)
) -> dict[str, Any]:
    """Run all pairs.

    Args:
        pairs: how many.
        count: images of each half.
        size: of the pictures in pixels.
        tracker: name in the zoo.
        rate: images a second.
        parts: what is switched on, by its parameter.

    Returns:
        Every half, and what the second ones took more in milliseconds; ready for JSON.
    """
    switched_on = OFF | {name: ON[name] for name in parts}
    os.environ.update(large_data_environment())
    rclpy.init()
    halves: list[dict[str, Any]] = []
    try:
        with NodeProcess({"tracker": tracker, **OFF}, {"__ns": _NAMESPACE}) as node:
            camera = Camera(size, rate)
            with TrackerClient(camera.node, _TRACKER) as client:
                client.wait_until_ready(180.0)
                until_seen(lambda: camera.show(client))
                client.set_target(camera.box, label="figure", timeout=60.0)
                for _ in range(pairs):
                    pair = {}
                    for name, values in (("off", OFF), ("on", switched_on)):
                        switch(client, values)
                        until_seen(lambda: camera.show(client))
                        pair[name] = asdict(camera.film(client, count, node.pid))
                    halves.append(pair)
            camera.close()
    finally:
        rclpy.try_shutdown()
    more = {
        name: [round(pair["on"][name] - pair["off"][name], 3) for pair in halves]
        for name in ("round_trip", "processor")
    }
    return {
        "tracker": tracker,
        "on": switched_on,
        "images": count,
        "pairs": halves,
        "more_ms": {name: {"median": round(median(values), 3), "of_pairs": values} for name, values in more.items()},
        "load": os.getloadavg()[0],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print JSON; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m siam_tracker_ros.robot_side.benchmark", description=__doc__)
    parser.add_argument("--pairs", type=int, default=8, help="of runs without and with (default: 8)")
    parser.add_argument("--images", type=int, default=150, help="of each run (default: 150)")
    parser.add_argument("--width", type=int, default=640, help="of the pictures in pixels (default: 640)")
    parser.add_argument("--height", type=int, default=480, help="of the pictures in pixels (default: 480)")
    parser.add_argument("--tracker", default=DEFAULT_TRACKER, help="name in the zoo (default: %(default)s)")
    parser.add_argument(
        "--parts", nargs="+", choices=tuple(ON), default=tuple(ON), help="what is switched on (default: all)"
    )
    given = parser.parse_args(arguments)
    size = (given.width, given.height)
    report = measure(given.pairs, given.images, size, given.tracker, parts=given.parts)
    print(json.dumps(report, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
