"""What a camera sees of a scene, with the exact depth of every pixel, and where a card is in the picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.camera import CameraModel
from siam_tracker_core.geometry import Box
from siam_tracker_core.simulation.scene import Card, Pillar, Pixels, Room, Scene
from siam_tracker_core.simulation.unicycle import Unicycle

Plane = NDArray[np.float32]

_SKY = 200  # grey


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        image: uint8 (H, W, 3) BGR.
        depth: float32 (H, W), metres along the camera's axis.
    """

    image: Pixels
    depth: Plane


class Renderer:
    """A level camera on a robot that looks straight ahead.

    Args:
        camera: any model whose rays are defined where something is to be seen.
        camera_height: above the floor, in metres.
    """

    def __init__(self, camera: CameraModel, camera_height: float = 0.6) -> None:
        self.camera = camera
        self.camera_height = camera_height
        width, height = camera.image_size
        grid = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1)
        rays = camera.rays(grid.reshape(-1, 2)).reshape(height, width, 3)
        level = np.hypot(rays[..., 0], rays[..., 2])
        with np.errstate(invalid="ignore", divide="ignore"):
            self._azimuth = np.arctan2(-rays[..., 0], rays[..., 2]).astype(np.float32)
            self._rise = (-rays[..., 1] / level).astype(np.float32)  # metres upwards for each metre over the floor
            self._forward = (rays[..., 2] / level).astype(np.float32)
        if not np.isfinite(rays).all():
            self._rise[~np.isfinite(self._rise)] = 0.0  # beyond the lens: grey, and no depth
            self._azimuth[~np.isfinite(self._azimuth)] = 0.0

    def render(self, scene: Scene, robot: Unicycle) -> Picture:
        """What the camera sees from where the robot is."""
        heading = self._azimuth + np.float32(robot.heading)
        along = np.cos(heading), np.sin(heading)
        image, reach = self._room(scene.room, robot, along)
        for each in sorted(scene.objects, key=lambda one: -np.hypot(one.x - robot.x, one.y - robot.y)):
            if isinstance(each, Card):
                self._card(each, robot, image, reach)
            else:
                self._pillar(each, robot, along, image, reach)
        return Picture(image, reach * self._forward)

    def box_of(self, card: Card, robot: Unicycle) -> Box | None:
        """The box around a card in the picture, whether something stands before it or not; None behind the camera."""
        across, ahead = _seen_from(card.x, card.y, robot)
        if ahead <= 0.05:
            return None
        away = float(np.hypot(across, ahead))
        # The card is at right angles to the line of sight to its middle.
        edge = np.array([ahead, -across]) / away * card.width / 2
        corners = [
            (across + side * edge[0], self.camera_height - top, ahead + side * edge[1])
            for side in (-1, 0, 1)
            for top in (0.0, card.height / 2, card.height)
        ]
        places = self.camera.project(corners)
        if not np.isfinite(places).all():
            return None
        (left, top), (right, bottom) = places.min(axis=0), places.max(axis=0)
        return Box.from_corners(float(left), float(top), float(right), float(bottom))

    def _room(self, room: Room, robot: Unicycle, along: tuple[Plane, Plane]) -> tuple[Pixels, Plane]:
        """Walls, floor and sky, and how far they are over the floor."""
        cos, sin = along
        with np.errstate(divide="ignore"):
            to_x = (np.where(cos > 0, room.half, -room.half) - robot.x) / cos
            to_y = (np.where(sin > 0, room.half, -room.half) - robot.y) / sin
        reach = np.minimum(to_x, to_y).astype(np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            to_floor = np.where(self._rise < 0, -self.camera_height / self._rise, np.inf).astype(np.float32)
        is_floor = to_floor < reach
        reach = np.where(is_floor, to_floor, reach)
        x, y = robot.x + reach * cos, robot.y + reach * sin
        up = self.camera_height + reach * self._rise
        rows, columns = room.wall.shape[:2]
        side = 2 * room.half
        place = np.where(to_x < to_y, y + np.where(cos > 0, 0.0, 2 * side), x + np.where(sin > 0, side, 3 * side))
        wall = _sample(room.wall, (place + room.half) / (4 * side) * columns, (1 - up / room.height) * rows)
        size = room.floor.shape[0] / side
        floor = _sample(room.floor, (x + room.half) * size, (y + room.half) * size)
        image = np.where(is_floor[..., None], floor, wall)
        image[(up > room.height) & ~is_floor] = _SKY
        return image.astype(np.uint8), reach.astype(np.float32)

    def _card(self, card: Card, robot: Unicycle, image: Pixels, reach: Plane) -> None:
        across, ahead = _seen_from(card.x, card.y, robot)
        away, azimuth = float(np.hypot(across, ahead)), float(np.arctan2(-across, ahead))
        beside = np.remainder(self._azimuth - azimuth + np.pi, 2 * np.pi) - np.pi
        part = np.abs(beside) < np.arctan2(card.width / 2, away)
        rows, columns = _extent(part)
        if rows is None or columns is None:
            return
        beside = beside[rows, columns]
        distance = away / np.cos(beside)
        up = self.camera_height + distance * self._rise[rows, columns]
        place = 0.5 - away * np.tan(beside) / card.width
        hit = part[rows, columns] & (up >= 0) & (up < card.height) & (distance < reach[rows, columns])
        self._paint(
            card.texture, place, 1 - up / card.height, hit, distance, image[rows, columns], reach[rows, columns]
        )

    def _pillar(self, pillar: Pillar, robot: Unicycle, along: tuple[Plane, Plane], image: Pixels, reach: Plane) -> None:
        dx, dy = pillar.x - robot.x, pillar.y - robot.y
        nearest = along[0] * dx + along[1] * dy  # along the direction, the place that is nearest to the middle
        inside = pillar.radius**2 - (dx * dx + dy * dy - nearest**2)
        rows, columns = _extent((inside > 0) & (nearest > 0))
        if rows is None or columns is None:
            return
        distance = nearest[rows, columns] - np.sqrt(np.maximum(inside[rows, columns], 0))
        up = self.camera_height + distance * self._rise[rows, columns]
        x = distance * along[0][rows, columns] - dx
        y = distance * along[1][rows, columns] - dy
        place = np.arctan2(y, x) / (2 * np.pi) + 0.5
        hit = (inside[rows, columns] > 0) & (distance > 0) & (up >= 0) & (up < pillar.height)
        hit &= distance < reach[rows, columns]
        height = 1 - up / pillar.height
        self._paint(pillar.texture, place, height, hit, distance, image[rows, columns], reach[rows, columns])

    @staticmethod
    def _paint(
        texture: Pixels,
        across: Plane,
        down: Plane,
        hit: NDArray[np.bool_],
        distance: Plane,
        image: Pixels,
        reach: Plane,
    ) -> None:
        """Put a texture, at shares of its width and height, where it is hit; the last two are parts of the picture."""
        colours = _sample(texture, across * texture.shape[1], down * texture.shape[0])
        image[hit] = colours[hit]
        reach[hit] = distance[hit]


def _seen_from(x: float, y: float, robot: Unicycle) -> tuple[float, float]:
    """A place on the floor as metres to the right of the robot and ahead of it."""
    dx, dy = x - robot.x, y - robot.y
    cos, sin = np.cos(robot.heading), np.sin(robot.heading)
    return float(dx * sin - dy * cos), float(dx * cos + dy * sin)


def _extent(part: NDArray[np.bool_]) -> tuple[slice, slice] | tuple[None, None]:
    """The rows and columns that a part of the picture reaches over."""
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    if not len(rows):
        return None, None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _sample(texture: Pixels, x: Plane, y: Plane) -> Pixels:
    """A texture's colours at coordinates in its pixels."""
    across, down = np.asarray(x - 0.5, np.float32), np.asarray(y - 0.5, np.float32)
    sampled = cv2.remap(texture, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, dtype=np.uint8)
