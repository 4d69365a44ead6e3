"""What every data set reader yields: sequences of frames with boxes, and stills with boxes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.geometry import Box


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image file as uint8 (H, W, 3) BGR.

    Raises:
        DatasetError: if the file is missing or cannot be decoded.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        reason = "is not a readable image" if path.exists() else "does not exist"
        raise DatasetError(f"{path} {reason}")
    return image  # type: ignore[return-value]


@dataclass(frozen=True)
class Sequence:
    """The frames of one video with the boxes of one target.

    Attributes:
        name: unique within its data set.
        frames: the image files in order.
        boxes: float64 (len(frames), 4), ``x, y, width, height`` in zero-based pixels (see ``geometry``); a row of NaN
            where the target is absent.
        rate: frames per second.
        attributes: the data set's labels of difficulty, e.g. OTB's ``{"OCC", "SV"}``.
    """

    name: str
    frames: tuple[Path, ...]
    boxes: NDArray[np.float64]
    rate: float = 30.0
    attributes: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        if self.boxes.shape != (len(self.frames), 4):
            raise DatasetError(
                f"sequence {self.name}: {len(self.frames)} frames but boxes of shape {self.boxes.shape}; "
                "there must be one row x, y, width, height a frame"
            )

    def __len__(self) -> int:
        return len(self.frames)

    def image(self, index: int) -> NDArray[np.uint8]:
        """Frame ``index`` as uint8 (H, W, 3) BGR."""
        return read_image(self.frames[index])

    def box(self, index: int) -> Box | None:
        """The target's box in frame ``index``, or None where it is absent."""
        row = self.boxes[index]
        return None if np.isnan(row).any() else Box.from_array(row)

    def head(self, count: int) -> Sequence:
        """The first ``count`` frames as a sequence of its own."""
        return Sequence(self.name, self.frames[:count], self.boxes[:count], self.rate, self.attributes)


@dataclass(frozen=True)
class Still:
    """One photograph with the boxes of the objects in it.

    Attributes:
        path: the image file.
        boxes: float64 (n, 4), ``x, y, width, height`` in zero-based pixels.
    """

    path: Path
    boxes: NDArray[np.float64]
