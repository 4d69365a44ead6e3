"""How errors of direction and position grow with distance and with errors of the box, in the made world.

``python -m siam_tracker_core.simulation.position_errors`` prints the table of docs/robot.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from siam_tracker_core.camera import CameraCalibration, CameraModel, NoDepth, bearing_of, measured_point, target_depth
from siam_tracker_core.geometry import Box
from siam_tracker_core.simulation.follow_world import figure
from siam_tracker_core.simulation.rendering import Renderer
from siam_tracker_core.simulation.scene import Card, Room, Scene
from siam_tracker_core.simulation.unicycle import Unicycle

_MATRIX = (480.0, 0.0, 319.5, 0.0, 480.0, 239.5, 0.0, 0.0, 1.0)
_FISHEYE = (210.0, 0.0, 319.5, 0.0, 210.0, 239.5, 0.0, 0.0, 1.0)
CAMERAS = {
    "pinhole": CameraCalibration(640, 480, "plumb_bob", (-0.1, 0.01, 0.0, 0.0, 0.0), _MATRIX),
    "fisheye": CameraCalibration(640, 480, "equidistant", (-0.02, 0.003, 0.0, 0.0), _FISHEYE),
}
DISTANCES = (1.5, 3.0, 6.0)
BOX_ERRORS = (0.0, 0.05, 0.1, 0.2)
_TRIES = 40
_DEPTH_NOISE = 0.01  # of the depth, as a depth camera has it at a few metres


@dataclass(frozen=True)
class Errors:
    """Root mean squares over many boxes: of the direction in degrees, of the point in millimetres, and failures."""

    degrees: float
    millimetres: float
    without_depth: int


def errors_at(camera: CameraModel, distance: float, box_error: float, seed: int = 0) -> Errors:
    """The errors for a figure of 0.5 x 1.1 m a little beside the axis.

    Args:
        camera: that sees it.
        distance: over the floor, in metres.
        box_error: standard deviation of the box's centre and sides, as a share of its sides.
        seed: of the errors.
    """
    random = np.random.default_rng(seed)
    azimuth = 0.25
    card = Card(distance * math.cos(azimuth), distance * math.sin(azimuth), 0.5, 1.1, figure(11))
    renderer = Renderer(camera)
    depth = renderer.render(Scene(Room(), [card]), Unicycle()).depth
    depth = depth * (1 + _DEPTH_NOISE * random.standard_normal(depth.shape)).astype(np.float32)
    truth = np.array([-card.y, renderer.camera_height - 0.55, card.x])
    box = renderer.box_of(card, Unicycle())
    assert box is not None
    centre = camera.project([truth])[0]  # not the box's: a lens shows a rectangle a little askew
    angles, lengths, without = [], [], 0
    for _ in range(_TRIES):
        move = random.normal(0, box_error, 4) * np.array([box.width, box.height] * 2)
        sides = np.maximum((box.width + move[2], box.height + move[3]), 2.0)
        seen = Box.from_centre(float(centre[0] + move[0]), float(centre[1] + move[1]), float(sides[0]), float(sides[1]))
        bearing = bearing_of(camera, seen)
        angles.append(math.acos(min(1.0, float(bearing.ray @ truth) / float(np.linalg.norm(truth)))))
        try:
            point = measured_point(bearing, target_depth(depth, seen)).point
            lengths.append(float(np.linalg.norm(point - truth)))
        except NoDepth:
            without += 1
    size = math.sqrt(float(np.mean(np.square(lengths)))) if lengths else math.nan
    return Errors(math.degrees(math.sqrt(float(np.mean(np.square(angles))))), 1000 * size, without)


def table() -> str:
    """The table, in Markdown."""
    lines = ["| camera | distance | " + " | ".join(f"box ±{each:.0%}" for each in BOX_ERRORS) + " |"]
    lines.append("|---|---|" + "---|" * len(BOX_ERRORS))
    for name, calibration in CAMERAS.items():
        camera = CameraModel(calibration)
        for distance in DISTANCES:
            cells = [errors_at(camera, distance, error) for error in BOX_ERRORS]
            words = [
                f"{each.degrees:.2f}°, {each.millimetres:.0f} mm"
                + (f" ({each.without_depth} without depth)" if each.without_depth else "")
                for each in cells
            ]
            lines.append(f"| {name} | {distance:g} m | " + " | ".join(words) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
