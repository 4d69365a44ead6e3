"""What becomes of annotations that reach over the edge of their image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# A box with less of its area than this inside the image is taken for a fault of the annotation.
LEAST_INSIDE = 0.5


def inside_image(boxes: NDArray[np.float64], width: float, height: float) -> NDArray[np.float64]:
    """The one rule for annotations that reach over the edge of their image: clipped, or dropped.

    Args:
        boxes: float64 (n, 4), ``x, y, width, height`` in zero-based pixels; NaN rows stay.
        width, height: of the image in pixels.

    Returns:
        float64 (n, 4), clipped to the image; a row of NaN where less than half of the box's area lies inside. The
        readers that use this take boxes that were drawn around what is visible, so that a box mostly outside is an
        error of the annotation and not an object that leaves the picture.
    """
    low = np.maximum(boxes[:, :2], 0.0)
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], (width, height))
    clipped = np.concatenate([low, high - low], axis=1)
    left, area = np.prod(clipped[:, 2:], axis=1), np.prod(boxes[:, 2:], axis=1)
    keep = (clipped[:, 2:] > 0).all(axis=1) & (left >= LEAST_INSIDE * area)
    clipped[~keep] = np.nan
    return clipped
