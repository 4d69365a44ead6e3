"""The whole chain in one command: made world, tracker, follower, and an operator who points at the target.

``python -m siam_tracker_ros.follow_demo.main`` starts all of it; with ``--attach`` only the operator, for a launch file
that has started the others.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any

from siam_tracker_ros.command_line import Parser
from siam_tracker_ros.node_process import NodeProcess, large_data_environment
from siam_tracker_ros.programs import cannot_start

_FOLLOWER = (sys.executable, "-m", "siam_tracker_ros.follower.main")
_TRUTHS = 100  # kept, so that the one of the picture that was answered last is among them
_WORLD = (sys.executable, "-m", "siam_tracker_ros.follow_demo.world_node")
CAMERA = {
    "image": "/camera/image_raw",
    "camera_info": "/camera/camera_info",
    "depth": "/camera/depth/image_raw",
}


def operate(distance: float, timeout: float) -> int:
    """Wait for tracker and world, set the target where it truly is, and let the robot follow it; the exit status."""
    import rclpy

    from siam_tracker_ros.client import TrackerClient, TrackerError
    from siam_tracker_ros.interfaces import FollowTarget, TrackedTargetArray
    from siam_tracker_ros.qos import output_qos

    rclpy.init()
    node = rclpy.create_node("follow_demo")
    truths: deque[Any] = deque(maxlen=_TRUTHS)
    node.create_subscription(
        TrackedTargetArray, "/made_world/truth", lambda truth: truths.append(truth), output_qos(_TRUTHS)
    )
    said = [0.0]

    def tell(feedback: Any) -> None:
        if time.monotonic() - said[0] > 1.0:
            said[0] = time.monotonic()
            print(f"  bearing {feedback.bearing:+.2f} rad, distance {feedback.distance:.2f} m {feedback.reason}")

    try:
        with TrackerClient(node) as client:
            client.wait_until_ready(180.0)
            deadline = time.monotonic() + 60.0
            # The tracker hears the camera a moment after it is ready; a box on a picture from before that is refused.
            while not (seen := _answered(truths, client.latest)) and time.monotonic() < deadline:
                rclpy.spin_once(node, timeout_sec=0.1)
            if not truths:
                raise TrackerError("the made world is not there: nothing has come on /made_world/truth in 60 seconds")
            if seen is None:
                raise TrackerError("the tracker has answered no picture of the made world in 60 seconds")
            box = seen.targets[0]
            target = client.set_target(box, stamp=box, label="figure")
            print(f"following target {target} at {distance:g} m")
            result = client.follow(target, distance, timeout=timeout, on_feedback=tell)
    except TrackerError as error:
        print(f"follow_demo: {error}", file=sys.stderr)
        return 1
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    print(f"{result.message}: bearing {result.bearing:+.2f} rad, distance {result.distance:.2f} m")
    return 0 if result.outcome == FollowTarget.Result.OUTCOME_REACHED else 1


def _answered(truths: Iterable[Any], tracks: Any) -> Any:
    """The truth of the picture that the tracker answered last; None where there is none with a target."""
    if tracks is None:
        return None
    return next((each for each in truths if each.targets and each.header.stamp == tracks.header.stamp), None)


def run(distance: float, timeout: float, size: Sequence[int], rate: float) -> int:
    """Start everything, operate, and end everything; the exit status."""
    os.environ.update(large_data_environment())
    with ExitStack() as stack:
        stack.enter_context(
            NodeProcess({"tracker_config": "careful", "positions": "depth", "reliability": "reliable"}, CAMERA)
        )
        stack.enter_context(NodeProcess({"silence": 0.5, "patience": 30.0}, program=_FOLLOWER))
        stack.enter_context(NodeProcess({"width": size[0], "height": size[1], "rate": rate}, program=_WORLD))
        return operate(distance, timeout)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = Parser(prog="follow_demo", description=__doc__)
    parser.add_argument("--distance", type=float, default=1.5, help="metres to keep to the target")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds after which following is cancelled")
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480), help="width and height of the pictures")
    parser.add_argument("--rate", type=float, default=15.0, help="pictures a second")
    parser.add_argument("--attach", action="store_true", help="only operate what a launch file has started")
    options, _ = parser.parse_known_args(arguments)
    try:
        import rclpy  # noqa: F401 - before any process is started that would miss it, too
    except ImportError as error:
        print(cannot_start("follow_demo", error), file=sys.stderr)
        return 1
    if options.attach:
        return operate(options.distance, options.timeout)
    return run(options.distance, options.timeout, options.size, options.rate)


if __name__ == "__main__":
    sys.exit(main())
