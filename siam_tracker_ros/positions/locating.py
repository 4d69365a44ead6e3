"""The directions and positions of all targets in one image, filtered over time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from siam_tracker_core import TrackState
from siam_tracker_core.camera import (
    Bearing,
    CameraModel,
    DepthSettings,
    NoDepth,
    PointMeasurement,
    bearings_of,
    measured_point,
    target_depth,
)
from siam_tracker_core.camera.depth import DepthImage
from siam_tracker_core.errors import CameraError
from siam_tracker_core.geometry import Box
from siam_tracker_core.motion import MotionSettings, MotionState, TargetMotion
from siam_tracker_ros.robot_side.seen import SeenImage, SeenTarget

_SECOND = 1e9
_MOTION, _LIMITS = MotionSettings(), DepthSettings()


@dataclass(frozen=True)
class Located:
    """Where one target is.

    Attributes:
        target: of which this is told.
        bearing: None where it is not known.
        motion: the point and its velocity in the optical frame; None where they are not known.
        reason: why something is not known; empty where everything that is wanted is.
    """

    target: SeenTarget
    bearing: Bearing | None = None
    motion: MotionState | None = None
    reason: str = ""


class Locator:
    """Turns boxes into directions and, where depth is wanted, into filtered points.

    Args:
        camera: gives the model for images of a size and frame, or raises ``CameraError``.
        depth: gives the depth image for an image, or raises ``NoDepth``; None where only directions are wanted.
        motion: how targets may move.
    """

    def __init__(
        self,
        camera: Callable[[SeenImage], CameraModel],
        depth: Callable[[SeenImage], DepthImage] | None,
        motion: MotionSettings = _MOTION,
    ) -> None:
        self._camera = camera
        self._depth = depth
        self._settings = motion
        self._motions: dict[int, tuple[TargetMotion, int]] = {}

    def locate(self, image: SeenImage, limits: DepthSettings = _LIMITS) -> list[Located]:
        """Where each target of an image is; lost ones are nowhere."""
        known = {target.id for target in image.targets}
        self._motions = {id: each for id, each in self._motions.items() if id in known}
        if not image.targets:
            return []
        wanted = [target for target in image.targets if target.state is not TrackState.LOST]
        try:
            camera = self._camera(image)
            bearings = dict(zip(wanted, bearings_of(camera, [target.box for target in wanted]), strict=True))
        except CameraError as error:
            return [Located(target, reason=target.reason or str(error)) for target in image.targets]
        found = [self._direction(target, bearings.get(target)) for target in image.targets]
        return found if self._depth is None else self._with_points(image, found, limits)

    def _direction(self, target: SeenTarget, bearing: Bearing | None) -> Located:
        if target.state is TrackState.LOST:
            self._motions.pop(target.id, None)
            return Located(target, reason=target.reason or "the target is lost")
        reason = "" if bearing is not None else "the lens shows nothing where the target's centre is"
        return Located(target, bearing, reason=reason)

    def _with_points(self, image: SeenImage, found: list[Located], limits: DepthSettings) -> list[Located]:
        assert self._depth is not None
        try:
            depth = self._depth(image)
        except NoDepth as error:
            return [each if each.reason else replace(each, reason=str(error)) for each in found]
        return [self._point(image, each, depth, limits) for each in found]

    def _point(self, image: SeenImage, located: Located, depth: DepthImage, limits: DepthSettings) -> Located:
        if located.bearing is None:
            return located
        scale = depth.shape[1] / image.size[0], depth.shape[0] / image.size[1]
        box = located.target.box
        scaled = Box(box.x * scale[0], box.y * scale[1], box.width * scale[0], box.height * scale[1])
        try:
            measured = measured_point(located.bearing, target_depth(depth, scaled, limits))
        except NoDepth as error:
            return replace(located, reason=str(error))
        return replace(located, motion=self._filtered(image, located.target, measured))

    def _filtered(self, image: SeenImage, target: SeenTarget, measured: PointMeasurement) -> MotionState:
        motion, age = self._motions.get(target.id, (TargetMotion(self._settings), 0))
        if target.age < age:  # set anew: another thing, perhaps elsewhere
            motion = TargetMotion(self._settings)
        self._motions[target.id] = (motion, target.age)
        state = motion.see(image.stamp / _SECOND, measured.point, measured.covariance)
        assert np.isfinite(state.mean).all()
        return state
