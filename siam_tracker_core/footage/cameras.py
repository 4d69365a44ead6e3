"""A camera of this machine by its number or device, or a sentence that helps to find the right one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.files import naturally
from siam_tracker_core.footage.video import Opened, open_video

_DEVICES = Path("/dev")
_OTHER_SOURCE = "a video file, a folder of images, or an address such as rtsp://"


def open_camera(camera: str) -> Opened:
    """Open a camera.

    Args:
        camera: its number, or on Linux its device, such as ``/dev/video0``.

    Raises:
        DatasetError: if it cannot be opened; the sentence says what was tried, which cameras there are, and what to do.
    """
    if sys.platform != "linux":
        try:
            return open_video(int(camera), camera)
        except (DatasetError, ValueError):
            raise DatasetError(
                f"camera {camera} cannot be opened; they are counted from 0: give another, or {_OTHER_SOURCE}"
            ) from None
    device = _DEVICES / f"video{int(camera)}" if camera.isdigit() else Path(camera)
    name = f"camera {camera} ({device})" if camera.isdigit() else f"camera {device}"
    if not device.exists():
        raise DatasetError(f"{name} is not there; {_choice(device)}")
    try:
        with _quiet_opencv():
            return open_video(int(camera), name) if camera.isdigit() else open_video(camera, name, backend=cv2.CAP_V4L2)
    except DatasetError:
        raise DatasetError(_what_keeps_it(name, device)) from None


def _what_keeps_it(name: str, device: Path) -> str:
    if not os.access(device, os.R_OK | os.W_OK):
        return f"{name} may not be opened by this user; mend that with: sudo usermod -aG video $USER, and log in again"
    return (
        f"{name} is there but gives no pictures; another program may have it ('fuser {device}' tells which), or it is "
        f"a camera's second device; {_choice(device)}"
    )


def _choice(wanted: Path) -> str:
    there = [str(device) for device in naturally(_DEVICES.glob("video*")) if device != wanted]
    if not there:
        return (
            f"there is no other ({_DEVICES}/video*): plug one in, hand it to the container (--device), "
            f"or give {_OTHER_SOURCE}"
        )
    return f"there {'is' if len(there) == 1 else 'are'} {', '.join(there)}: give one of these, or {_OTHER_SOURCE}"


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """OpenCV writes warnings of its own, which say less."""
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)
