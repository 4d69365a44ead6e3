"""The world of the demonstration: a target that walks behind a pillar, and another that looks much like it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from siam_tracker_core.camera import CameraCalibration, CameraModel
from siam_tracker_core.geometry import Box
from siam_tracker_core.simulation.rendering import Picture, Renderer
from siam_tracker_core.simulation.scene import Card, Pillar, Pixels, Room, Scene, cloudy
from siam_tracker_core.simulation.unicycle import Unicycle

_WIDTH, _HEIGHT = 0.5, 1.1  # of target and look-alike, in metres


@dataclass(frozen=True)
class Script:
    """What happens in the world.

    Attributes:
        speed: of the target in m/s.
        walk: seconds that the target walks; then it stands.
        vanishes: seconds after which the target is gone for good.
        look_alike: whether there is one, at the other side of the room.
        pillar: whether the target's way leads behind one.
        pillar_radius: its radius in metres. From where the robot starts, one of 0.14 hides up to seven tenths of the
            target, and one of 0.3 all of it.
    """

    speed: float = 0.5
    walk: float = 10.0
    vanishes: float = math.inf
    look_alike: bool = True
    pillar: bool = True
    pillar_radius: float = 0.14


class FollowWorld:
    """A robot with a camera, and what it sees as time goes by.

    Args:
        script: what happens.
        image_size: width and height of the pictures in pixels.
    """

    def __init__(self, script: Script | None = None, image_size: tuple[int, int] = (640, 480)) -> None:
        self.script = script or Script()
        width, height = image_size
        focal = 0.75 * width
        matrix = (focal, 0.0, width / 2 - 0.5, 0.0, focal, height / 2 - 0.5, 0.0, 0.0, 1.0)
        projection = (*matrix[:3], 0.0, *matrix[3:6], 0.0, *matrix[6:], 0.0)
        self.calibration = CameraCalibration(width, height, "plumb_bob", (0.0,) * 5, matrix, projection=projection)
        self.renderer = Renderer(CameraModel(self.calibration))
        self.robot = Unicycle()
        self.seconds = 0.0
        self._room = Room()
        self._looks = figure(11), figure(12)

    @property
    def target(self) -> Card:
        """The target, where it is now."""
        walked = self.script.speed * min(self.seconds, self.script.walk)
        return Card(3.0 + 0.35 * walked, -1.2 + 0.9 * walked, _WIDTH, _HEIGHT, self._looks[0])

    @property
    def distance(self) -> float:
        """From the robot to the target over the floor, in metres."""
        return math.hypot(self.target.x - self.robot.x, self.target.y - self.robot.y)

    @property
    def azimuth(self) -> float:
        """Of the target as the robot sees it, in radians, positive to the left."""
        ahead = math.atan2(self.target.y - self.robot.y, self.target.x - self.robot.x)
        return math.remainder(ahead - self.robot.heading, 2 * math.pi)

    @property
    def box(self) -> Box | None:
        """The target's box in the picture; None where it is gone or behind the camera."""
        return None if self.seconds >= self.script.vanishes else self.renderer.box_of(self.target, self.robot)

    @property
    def scene(self) -> Scene:
        """All that there is now."""
        objects: list[Card | Pillar] = []
        if self.seconds < self.script.vanishes:
            objects.append(self.target)
        if self.script.look_alike:
            objects.append(Card(6.5, -3.5 + 0.1 * math.sin(self.seconds), _WIDTH, _HEIGHT, self._looks[1]))
        if self.script.pillar:
            # Near the target's way and off the robot's: from near by a pillar fills the picture, and the robot, which
            # goes where the target was last seen, keeps it between the two.
            objects.append(Pillar(2.9, -0.2, self.script.pillar_radius, 2.0))
        return Scene(self._room, objects)

    def picture(self) -> Picture:
        """What the camera sees now."""
        return self.renderer.render(self.scene, self.robot)

    def step(self, forward: float, turn: float, seconds: float) -> None:
        """Let time go by while the robot drives at ``forward`` m/s and turns at ``turn`` rad/s."""
        self.robot = self.robot.moved(forward, turn, seconds)
        self.seconds += seconds


def figure(seed: int) -> Pixels:
    """The look of a person in a patterned coat: uint8 (330, 150, 3). Different seeds give different patterns."""
    coat = cloudy(seed, 150, 330, 36)
    coat[:70] = (90, 120, 170)  # a head
    coat[:70, :40] = coat[:70, -40:] = (60, 60, 60)
    coat[230:] = np.array((90, 50, 30), np.uint8)  # trousers
    coat[230:, 68:82] = (40, 40, 40)
    return coat
