"""What every data set reader yields: sequences of frames with boxes, and stills with boxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.datasets.images import read_image
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.geometry import Box
from siam_tracker_core.pixels.files import Orientation


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
        visibility: float64 (len(frames),), the share of the target that can be seen, 0..1; 1 where the box is given and
            0 where it is not, unless the data set says more.
        polygons: for data sets with rotated or free outlines, a float64 (corners, 2) array of ``x, y`` for each frame,
            or None where the target is absent; ``boxes`` are then derived from it.
        tags: labels of single frames, e.g. VOT's ``{"occlusion": ...}``, each bool (len(frames),).
        orientation: ``exif`` turns images as their EXIF says, ``stored`` leaves them as they lie.
        size: width and height that the annotations give of the images, or None; see ``read_image``.
    """

    name: str
    frames: tuple[Path, ...]
    boxes: NDArray[np.float64]
    rate: float = 30.0
    attributes: frozenset[str] = field(default_factory=frozenset)
    visibility: NDArray[np.float64] = None  # type: ignore[assignment]
    polygons: tuple[NDArray[np.float64] | None, ...] | None = None
    tags: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    orientation: Orientation = "exif"
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        count = len(self.frames)
        if self.boxes.shape != (count, 4):
            raise DatasetError(
                f"sequence {self.name}: {count} frames but boxes of shape {self.boxes.shape}; "
                "there must be one row x, y, width, height a frame"
            )
        if self.visibility is None:
            object.__setattr__(self, "visibility", (~np.isnan(self.boxes).any(axis=1)).astype(np.float64))
        labels = {"visibility": self.visibility, "polygons": self.polygons, **self.tags}
        for label, values in labels.items():
            if values is not None and len(values) != count:
                raise DatasetError(f"sequence {self.name}: {count} frames but {len(values)} values of {label}")

    def __len__(self) -> int:
        return len(self.frames)

    def image(self, index: int) -> NDArray[np.uint8]:
        """Frame ``index`` as uint8 (H, W, 3) BGR."""
        return read_image(self.frames[index], self.orientation, self.size)

    def box(self, index: int) -> Box | None:
        """The target's box in frame ``index``, or None where it is absent."""
        row = self.boxes[index]
        return None if np.isnan(row).any() else Box.from_array(row)

    def part(self, start: int, stop: int) -> Sequence:
        """The frames from ``start`` up to, and without, ``stop`` as a sequence of its own."""
        return self._taken(slice(start, stop))

    def head(self, count: int) -> Sequence:
        """The first ``count`` frames as a sequence of its own."""
        return self.part(0, count)

    def backwards(self) -> Sequence:
        """The frames from the last to the first as a sequence of its own."""
        return self._taken(slice(None, None, -1))

    def _taken(self, frames: slice) -> Sequence:
        return replace(
            self,
            frames=self.frames[frames],
            boxes=self.boxes[frames],
            visibility=self.visibility[frames],
            polygons=None if self.polygons is None else self.polygons[frames],
            tags={label: values[frames] for label, values in self.tags.items()},
        )


@dataclass(frozen=True)
class Still:
    """One photograph with the boxes of the objects in it.

    Attributes:
        path: the image file.
        boxes: float64 (n, 4), ``x, y, width, height`` in zero-based pixels.
        masks: for data sets with outlines, n entries of polygons in pixels (each a tuple of float64 (corners, 2)
            arrays, which together cover the object), or None where an object has none.
        orientation, size: as of ``Sequence``.
    """

    path: Path
    boxes: NDArray[np.float64]
    masks: tuple[tuple[NDArray[np.float64], ...] | None, ...] | None = None
    orientation: Orientation = "exif"
    size: tuple[int, int] | None = None
