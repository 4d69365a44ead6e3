"""Which mount a goal's frame needs: from a parameter, or from TF where tf2_ros is installed."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from rclpy.node import Node
from rclpy.time import Time

from siam_tracker_ros.follower.mount import Mount


class NoFrame(ValueError):
    """A frame that the follower cannot face a target with; the sentence says why."""


class Frames:
    """Finds mounts.

    Args:
        node: listens to TF where that can be.
        base_frame: the robot's.
        camera_pose: of the camera in it, ``x, y, z, roll, pitch, yaw``; used where TF says nothing.
    """

    def __init__(self, node: Node, base_frame: str, camera_pose: Sequence[float]) -> None:
        self._base_frame = base_frame
        self._camera = Mount.of_pose([0.0] * 6)
        self._pose = Mount.of_pose(camera_pose)
        self._buffer: Any = None
        try:
            tf2 = importlib.import_module("tf2_ros")
        except ImportError:
            return
        self._buffer = tf2.Buffer()
        self._listener = tf2.TransformListener(self._buffer, node)

    def mount(self, frame_id: str, camera_frame: str) -> Mount:
        """Where the camera is in a frame.

        Args:
            frame_id: that is to face the target; empty for the robot's.
            camera_frame: the optical frame of the positions.

        Raises:
            NoFrame: if that is not known.
        """
        wanted = frame_id or self._base_frame
        if wanted == camera_frame:
            return self._camera
        if self._buffer is not None:
            try:
                found = self._buffer.lookup_transform(wanted, camera_frame, Time()).transform
            except Exception as error:  # tf2's own, of several kinds
                if wanted != self._base_frame:
                    raise NoFrame(f"TF does not tell where '{camera_frame}' is in '{wanted}': {error}") from None
            else:
                move, turn = found.translation, found.rotation
                return Mount.of_transform((move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w))
        if wanted != self._base_frame:
            raise NoFrame(
                f"the frame '{wanted}' is neither the robot's, '{self._base_frame}', nor the camera's, "
                f"'{camera_frame}', and tf2_ros is not installed to look it up; leave frame_id empty"
            )
        return self._pose
