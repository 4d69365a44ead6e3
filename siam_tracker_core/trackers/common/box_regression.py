"""Box regression by ridge regression from a target's first frame (MDNet section 4.4; R-CNN, appendix C)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.geometry import Box

# No correction is larger than this factor on a side, nor than so many sides; what is, is no box of the target.
_LARGEST = 4.0


class BoxRegression:
    """Corrects boxes from the features of what is in them.

    Learned once: four ridge regressions with a common penalty, from features to how the target's box differs from the
    box that they are of, ``((cx_t - cx) / w, (cy_t - cy) / h, ln(w_t / w), ln(h_t / h))``.

    Args:
        features: float32 (n, d), n at least 1.
        boxes: (n, 4) of ``x, y, width, height`` in pixels.
        target: its box in the same frame.
        alpha: weight of the penalty; 1000 as in HyeonseobNam/py-MDNet:tracking/bbreg.py.
    """

    def __init__(
        self, features: NDArray[np.float32], boxes: NDArray[np.float64], target: Box, alpha: float = 1000.0
    ) -> None:
        boxes = np.asarray(boxes, dtype=np.float64)
        sizes = boxes[:, 2:]
        shifts = (np.array(target.centre) - boxes[:, :2] - sizes / 2) / sizes
        changes = np.log(np.array([target.width, target.height]) / sizes)
        self._weights, self._bias = ridge(features, np.concatenate([shifts, changes], axis=1), alpha)

    def apply(self, features: NDArray[np.float32], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """The corrected boxes.

        Args:
            features: float32 (m, d).
            boxes: (m, 4) of ``x, y, width, height`` in pixels, that the features are of.

        Returns:
            (m, 4) in pixels.
        """
        boxes = np.asarray(boxes, dtype=np.float64)
        if not len(boxes):
            return np.zeros((0, 4))
        said = np.asarray(features, dtype=np.float64) @ self._weights + self._bias
        centres = boxes[:, :2] + boxes[:, 2:] / 2 + np.clip(said[:, :2], -_LARGEST, _LARGEST) * boxes[:, 2:]
        sizes = boxes[:, 2:] * np.exp(np.clip(said[:, 2:], -np.log(_LARGEST), np.log(_LARGEST)))
        return np.concatenate([centres - sizes / 2, sizes], axis=1)


def ridge(
    features: NDArray[np.float32], targets: NDArray[np.float64], alpha: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ridge regression with an intercept that is not penalised: ``(X'X + aI)^-1 X'Y`` of centred X and Y.

    With more features than samples the same is ``X'(XX' + aI)^-1 Y``, which solves for fewer unknowns.

    Args:
        features: X, (n, d).
        targets: Y, (n, k).
        alpha: a, positive.

    Returns:
        Weights (d, k) and intercepts (k,).
    """
    middle, level = features.mean(axis=0), targets.mean(axis=0)
    x, y = features - middle, targets - level
    count, width = x.shape
    # Products in the features' type, which are many; the few unknowns are solved for in double precision.
    if width > count:
        weights = x.T @ np.linalg.solve((x @ x.T).astype(np.float64) + alpha * np.eye(count), y)
    else:
        weights = np.linalg.solve((x.T @ x).astype(np.float64) + alpha * np.eye(width), x.T @ y)
    return weights, level - middle @ weights
