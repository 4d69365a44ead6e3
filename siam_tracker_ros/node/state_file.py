"""Targets on disk, so that they come back after an unclean death of the node.

The file is JSON with a version; it is written beside and moved into place, so that a reader finds the old state or the
new one and never half of one. A clean end of the node removes it.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from siam_tracker_core import Box
from siam_tracker_core.errors import SiamTrackerError
from siam_tracker_core.image_header import check_pixels, image_size
from siam_tracker_core.pixels import decode_file
from siam_tracker_ros.node.exemplars import Exemplar

VERSION = 1
_MOST_BYTES = 256_000_000
_MOST_EXEMPLAR_PIXELS = 1_000_000


class StateFileError(SiamTrackerError):
    """A state file that cannot be used; the sentence names it and says why."""


@dataclass(frozen=True, eq=False)
class SavedTarget:
    """What is needed to follow a target again.

    Attributes:
        id, label: as given when it was set.
        box: where it was seen last, in pixels.
        exemplar: its first look.
    """

    id: int
    label: str
    box: Box
    exemplar: Exemplar


@dataclass(frozen=True, eq=False)
class SavedState:
    """All targets at one moment.

    Attributes:
        saved: seconds since 1970.
        image_size: width and height of the images that they were followed on, in pixels.
        targets: those that were followed.
    """

    saved: float
    image_size: tuple[int, int]
    targets: Sequence[SavedTarget]

    @property
    def age(self) -> float:
        """Seconds since it was saved."""
        return time.time() - self.saved


class StateFile:
    """Saves and loads the targets of one node.

    Args:
        path: of the file; its folder must exist.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._encoded: dict[Exemplar, str] = {}

    def __str__(self) -> str:
        return str(self._path)

    def save(self, state: SavedState) -> None:
        """Replace the file's content.

        Raises:
            StateFileError: if it cannot be written; the old content stays.
        """
        self._encoded = {
            target.exemplar: self._encoded.get(target.exemplar) or _encode(target.exemplar) for target in state.targets
        }
        content = {
            "version": VERSION,
            "saved": state.saved,
            "image_size": list(state.image_size),
            "targets": [self._entry(target) for target in state.targets],
        }
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            with beside.open("w", encoding="utf-8") as file:
                json.dump(content, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise StateFileError(f"the targets cannot be saved in {self._path}: {error.strerror}") from error

    def load(self) -> SavedState | None:
        """The saved state, or None where there is no file.

        Raises:
            StateFileError: if it cannot be read or is no state file of this version.
        """
        try:
            if self._path.stat().st_size > _MOST_BYTES:
                raise StateFileError(f"the state file {self._path} is too large to be one")
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateFileError(f"the state file {self._path} cannot be read: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise StateFileError(f"the state file {self._path} is not JSON: {error}") from None
        version = content.get("version") if isinstance(content, dict) else None
        if version != VERSION:
            raise StateFileError(f"the state file {self._path} has version {version!r}; this node reads {VERSION}")
        try:
            return _state(content)
        except (KeyError, TypeError, ValueError, OverflowError, SiamTrackerError, cv2.error) as error:
            raise StateFileError(f"the state file {self._path} is damaged: {error!r}") from None

    def remove(self) -> None:
        """Remove the file where there is one: the targets are not wanted again."""
        self._path.unlink(missing_ok=True)

    def _entry(self, target: SavedTarget) -> dict[str, Any]:
        return {
            "id": target.id,
            "label": target.label,
            "box": list(target.box.to_array().tolist()),
            "exemplar": self._encoded[target.exemplar],
            "exemplar_box": list(target.exemplar.box.to_array().tolist()),
        }


def _encode(exemplar: Exemplar) -> str:
    return base64.b64encode(cv2.imencode(".png", exemplar.pixels)[1].tobytes()).decode("ascii")


def _state(content: dict[str, Any]) -> SavedState:
    width, height = (int(side) for side in content["image_size"])
    if width < 1 or height < 1:
        raise ValueError(f"its image size is {width}x{height}")
    return SavedState(float(content["saved"]), (width, height), [_target(entry) for entry in content["targets"]])


def _target(entry: dict[str, Any]) -> SavedTarget:
    data = base64.b64decode(entry["exemplar"], validate=True)
    check_pixels(*image_size(data), _MOST_EXEMPLAR_PIXELS)
    pixels = decode_file(np.frombuffer(data, np.uint8))
    if pixels.dtype != np.uint8:
        raise ValueError("an exemplar has more than 8 bits a channel")
    exemplar = Exemplar(pixels.astype(np.uint8, copy=False), _box(entry["exemplar_box"]))
    return SavedTarget(int(entry["id"]), str(entry["label"]), _box(entry["box"]), exemplar)


def _box(values: Sequence[float]) -> Box:
    box = Box.from_array([float(value) for value in values])
    if not (np.isfinite(box.to_array()).all() and box.width >= 1 and box.height >= 1):
        raise ValueError(f"the box {list(values)} is impossible")
    return box
