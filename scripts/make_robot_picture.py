"""Make the picture of the robot for the README: what its camera sees, and from above where it drives.

The made world of ``follow_demo``, the default tracker and the follower's own control law, in one process and on a
clock of its own, without ROS. Everything that is drawn is what tracker, depth and control law answered.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from make_animation import write_gif
from numpy.typing import NDArray

from siam_tracker_core import TrackState, load_tracker
from siam_tracker_core.camera import NoDepth, bearing_of, target_depth
from siam_tracker_core.drawing import COLOURS, draw_track
from siam_tracker_core.simulation import FollowWorld, Pillar
from siam_tracker_core.trackers.results import TrackResult
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER
from siam_tracker_ros.follower.control import Controller, Observation, Outcome
from siam_tracker_ros.follower.settings import FollowerSettings

SIZE = 320, 240  # of the camera's pictures
PERIOD = 0.1  # seconds between two of them
LIMIT = 2_000_000  # bytes
SCALE, LEFT, TOP = 40, 30, 170  # of the map: pixels a metre, and where the robot starts
INK = (60, 60, 60)


def drive(tracker_name: str, settings: str, distance: float, longest: float) -> Iterator[NDArray[np.uint8]]:
    """One picture after the other while the robot follows: uint8 (240, 640, 3) BGR."""
    world, trails = FollowWorld(image_size=SIZE), ([], [])
    controller = Controller(FollowerSettings(), distance, keep=False)
    tracker = load_tracker(tracker_name, config=settings)
    tracker.init(world.picture().image, world.box)
    while world.seconds < longest:
        seen = world.picture()
        result = tracker.update(seen.image)
        command = controller.step(world.seconds, observe(world, result, seen.depth))
        trails[0].append((world.robot.x, world.robot.y))
        trails[1].append((world.target.x, world.target.y))
        draw_track(seen.image, result.box, result.state, result.score)
        yield np.hstack([seen.image, map_of(world, trails, result.state, command.phase.value)])
        if command.outcome is Outcome.REACHED:
            return
        world.step(command.speeds.forward, command.speeds.turn, PERIOD)


def observe(world: FollowWorld, result: TrackResult, depth: NDArray[np.float32]) -> Observation:
    """Where the target is for the robot, by the tracker's box and the depth image, as the node tells it."""
    if result.state is TrackState.LOST:
        return Observation(world.seconds, result.state, reason=result.reason)
    bearing = bearing_of(world.renderer.camera, result.box)
    try:
        away = target_depth(depth, result.box).value / np.cos(bearing.azimuth)
    except NoDepth as error:
        return Observation(world.seconds, result.state, bearing.azimuth, bearing.elevation, reason=str(error))
    return Observation(world.seconds, result.state, bearing.azimuth, bearing.elevation, away)


def map_of(world: FollowWorld, trails: tuple[list, list], state: TrackState, phase: str) -> NDArray[np.uint8]:
    """The floor from above: the robot with what its camera sees, the target, look-alike and pillar."""
    plan = np.full((SIZE[1], SIZE[0], 3), 245, np.uint8)
    for trail, colour in zip(trails, (INK, COLOURS[TrackState.TRACKING]), strict=True):
        cv2.polylines(plan, [np.array([place(*each) for each in trail])], False, colour, 2, cv2.LINE_AA)
    robot = world.robot
    for side in (-0.59, 0.59):  # half the camera's angle
        end = robot.x + 1.2 * np.cos(robot.heading + side), robot.y + 1.2 * np.sin(robot.heading + side)
        cv2.line(plan, place(robot.x, robot.y), place(*end), (170, 170, 170), 1, cv2.LINE_AA)
    cv2.circle(plan, place(robot.x, robot.y), 9, INK, cv2.FILLED, cv2.LINE_AA)
    for thing in world.scene.objects:
        is_target = (thing.x, thing.y) == (world.target.x, world.target.y)
        radius = round(thing.radius * SCALE) if isinstance(thing, Pillar) else 7
        colour = COLOURS[state] if is_target else (190, 170, 150) if isinstance(thing, Pillar) else (160, 160, 160)
        cv2.circle(plan, place(thing.x, thing.y), radius, colour, cv2.FILLED, cv2.LINE_AA)
    words = f"{phase}, target {state.value}, {world.distance:.1f} m"
    cv2.putText(plan, words, (8, SIZE[1] - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
    return plan


def place(x: float, y: float) -> tuple[int, int]:
    """A place on the floor in metres as a pixel of the map, whose left edge is behind the robot."""
    return round(LEFT + SCALE * x), round(TOP - SCALE * y)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracker", default=DEFAULT_TRACKER)
    parser.add_argument("--settings", default="careful", help="of the tracker, one of config/trackers")
    parser.add_argument("--distance", type=float, default=1.5, help="metres to keep to the target")
    parser.add_argument("--longest", type=float, default=30.0, help="seconds of the made world")
    parser.add_argument("--every", type=int, default=4, help="show one picture of so many")
    parser.add_argument("--width", type=int, default=480, help="of the animation, in pixels")
    parser.add_argument("--out", type=Path, default=Path("docs/images/robot.gif"))
    options = parser.parse_args()
    pictures = drive(options.tracker, options.settings, options.distance, options.longest)
    size = write_gif(pictures, options.out, options.width, options.every, 1 / PERIOD)
    if size > LIMIT:
        raise SystemExit(
            f"{options.out} has {size} bytes, more than {LIMIT}; give a smaller --width or a larger --every"
        )
    print(f"wrote {options.out}, {size} bytes")


if __name__ == "__main__":
    main()
