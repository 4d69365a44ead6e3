"""Which targets are worth training on: the filters of the papers' implementations, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray

from siam_tracker_core.config import STRICT
from siam_tracker_core.limits import NotNegative, Share

ABSENT = "target absent"


@dataclass(frozen=True)
class CropFilter:
    """Limits on the annotated box of a frame; a box outside one of them is left out.

    huanglianghua/siamfc-pytorch:siamfc/datasets.py takes area 20, sides 20 to 500, sides over the image's 0.01 to 0.5,
    aspect 0.25 to 4, and visibility above 0.3 of the best (reference values, section 1). Two defaults differ: the
    least side is 12, since footage from the air is of that size, and the square root of the area share goes up to
    0.75, because photographs show their objects larger than videos do.

    Attributes:
        least_area: of the box, in square pixels.
        least_side: shorter side, in pixels.
        largest_side: longer side, in pixels.
        largest_aspect: longer side over shorter side.
        least_visibility: share of the target that can be seen, as the data set gives it.
        least_inside: share of the box that lies in the image. The rest is kept: a box is never clipped here.
        least_share: square root of the box's share of the image's area.
        largest_share: the same, upwards.
    """

    least_area: NotNegative = 20.0
    least_side: NotNegative = 12.0
    largest_side: NotNegative = 500.0
    largest_aspect: Annotated[float, Ge(1)] = 4.0
    least_visibility: Share = 0.3
    least_inside: Annotated[float, Gt(0), Le(1)] = 0.5
    least_share: Share = 0.01
    largest_share: Share = 0.75

    __pydantic_config__ = STRICT

    def reject_boxes(self, boxes: NDArray[np.float64], visibility: NDArray[np.float64]) -> NDArray[np.str_]:
        """Why boxes are left out, as far as the image is not needed to know.

        Args:
            boxes: (n, 4) of ``x, y, width, height`` in pixels; a row of NaN is an absent target.
            visibility: (n,) in 0..1.

        Returns:
            (n,) reasons, the first that holds; empty for boxes that are kept.
        """
        width, height = boxes[:, 2], boxes[:, 3]
        shorter, longer = np.minimum(width, height), np.maximum(width, height)
        with np.errstate(invalid="ignore"):
            return np.select(
                [
                    ~np.isfinite(boxes).all(axis=1) | (shorter <= 0),
                    visibility < self.least_visibility,
                    width * height < self.least_area,
                    shorter < self.least_side,
                    longer > self.largest_side,
                    longer > self.largest_aspect * shorter,
                ],
                [
                    ABSENT,
                    f"less than {self.least_visibility:g} of the target visible",
                    f"area under {self.least_area:g} square pixels",
                    f"side under {self.least_side:g} pixels",
                    f"side over {self.largest_side:g} pixels",
                    f"longer than {self.largest_aspect:g} times its width or height",
                ],
                default="",
            )

    def reject_place(self, box: NDArray[np.float64], image_width: int, image_height: int) -> str:
        """Why a finite box ``x, y, width, height`` is left out of an image of this size; empty if it is kept."""
        x, y, width, height = (float(value) for value in box)
        seen_width = min(x + width, image_width) - max(x, 0.0)
        seen_height = min(y + height, image_height) - max(y, 0.0)
        inside = max(seen_width, 0.0) * max(seen_height, 0.0) / (width * height)
        if inside < self.least_inside:
            return f"less than {self.least_inside:g} of the box in its image"
        share = np.sqrt(width * height / (image_width * image_height))
        if share < self.least_share:
            return f"box under {self.least_share:g} of the image"
        if share > self.largest_share:
            return f"box over {self.largest_share:g} of the image"
        return ""
