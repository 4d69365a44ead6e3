"""The made world is exact: what is rendered lies where the geometry says, at the depth that it says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from siam_tracker_core.camera import CameraCalibration, CameraModel, bearing_of, measured_point, target_depth
from siam_tracker_core.simulation import Card, FollowWorld, Pillar, Renderer, Room, Scene, Script, Unicycle

K = (300.0, 0.0, 159.5, 0.0, 300.0, 119.5, 0.0, 0.0, 1.0)
CAMERAS = {
    "pinhole": CameraModel(CameraCalibration(320, 240, "plumb_bob", (-0.1, 0.01, 0.001, 0.0, 0.0), K)),
    "fisheye": CameraModel(
        CameraCalibration(
            320, 240, "equidistant", (-0.02, 0.003, 0.0, 0.0), (110.0, 0, 159.5, 0, 110.0, 119.5, 0, 0, 1)
        )
    ),
}
RED = np.full((8, 8, 3), (0, 0, 255), np.uint8)


@pytest.mark.parametrize("lens", CAMERAS)
@pytest.mark.parametrize("place", [(2.0, 0.3), (3.5, -0.9), (1.5, 0.1)])
def test_directions_and_points_of_a_rendered_target_are_exact(lens: str, place: tuple[float, float]) -> None:
    """The whole chain from pixels to a point: within 2 mm in distance and 0.02 degrees in direction."""
    renderer = Renderer(CAMERAS[lens])
    robot = Unicycle(0.5, -0.2, 0.1)
    card = Card(*place, 0.4, 0.8, RED)
    picture = renderer.render(Scene(Room(), [card]), robot)
    box = renderer.box_of(card, robot)
    assert box is not None
    seen = box.clipped(320, 240)
    red = (picture.image == (0, 0, 255)).all(axis=2)
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    assert (columns[0], columns[-1] + 1) == pytest.approx((seen.x, seen.right), abs=1)
    assert (rows[0], rows[-1] + 1) == pytest.approx((seen.y, seen.bottom), abs=1)

    ahead = math.atan2(card.y - robot.y, card.x - robot.x) - robot.heading
    away = math.hypot(card.x - robot.x, card.y - robot.y)
    x, y = CAMERAS[lens].project([(-away * math.sin(ahead), 0.2, away * math.cos(ahead))])[0]  # its middle, 0.4 high
    small = box.from_centre(float(x), float(y), box.width * 0.6, box.height * 0.6)
    bearing = bearing_of(CAMERAS[lens], small)
    assert bearing.azimuth == pytest.approx(ahead, abs=math.radians(0.02))
    point = measured_point(bearing, target_depth(picture.depth, small)).point
    flat = math.hypot(point[0], point[2])
    assert flat == pytest.approx(away, abs=0.02 * away if lens == "fisheye" else 0.01 * away)


def test_what_is_near_hides_what_is_far() -> None:
    renderer = Renderer(CAMERAS["pinhole"])
    pillar = Pillar(1.5, 0.0, 0.3, 2.0)
    picture = renderer.render(Scene(Room(), [Card(3.0, 0.0, 0.4, 0.8, RED), pillar]), Unicycle())
    assert not (picture.image == (0, 0, 255)).all(axis=2).any()
    assert picture.depth[120, 160] == pytest.approx(1.2, abs=0.01)
    behind = renderer.render(Scene(Room(), [Card(3.0, 0.0, 0.4, 0.8, RED)]), Unicycle(heading=math.pi))
    assert not (behind.image == (0, 0, 255)).all(axis=2).any()


def test_walls_and_floor_are_as_far_as_they_are() -> None:
    depth = Renderer(CAMERAS["pinhole"], 0.6).render(Scene(Room(half=5.0)), Unicycle(1.0, 0.0, 0.0)).depth
    assert depth[118, 160] == pytest.approx(4.0, rel=0.01)
    assert depth[230, 160] == pytest.approx(0.6 * 300 / 110.5, rel=0.03)


def test_a_unicycle_drives_along_its_arc() -> None:
    half = Unicycle().moved(math.pi, math.pi, 1.0)  # half a circle of radius 1
    assert (half.x, half.y, half.heading) == pytest.approx((0, 2, math.pi))
    steps = Unicycle()
    for _ in range(1000):
        steps = steps.moved(math.pi, math.pi, 0.001)
    assert (steps.x, steps.y) == pytest.approx((half.x, half.y))


def test_the_demonstrations_target_is_hidden_for_a_while_and_comes_back() -> None:
    world = FollowWorld(Script(look_alike=False), (320, 240))
    shares = []
    for _ in range(20):
        box = world.box
        assert box is not None
        depth = world.picture().depth[int(box.y + 5) : int(box.bottom - 5), int(box.x + 2) : int(box.right - 2)]
        ahead = world.distance * math.cos(world.azimuth)
        shares.append(float((depth > ahead - 0.3).mean()))
        world.step(0.0, 0.0, 0.25)
    assert min(shares) < 0.4
    assert shares[0] > 0.95
    assert shares[-1] > 0.95
