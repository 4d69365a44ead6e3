"""Places on rings (SRT section 3.1, after Struck), and what scores there look like as a map."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def ring_offsets(radial: int, angular: int) -> FloatArray:
    """Places in the unit disc: its centre, then ``angular`` on each of ``radial`` rings of evenly growing radius.

    Every other ring is turned by half a step, the first one included (samhare/struck:src/Sampler.cpp).

    Returns:
        (1 + radial * angular, 2) of x, y; ring by ring from within.
    """
    rings = np.arange(1, radial + 1)
    angles = (np.arange(angular)[None] + 0.5 * (rings % 2)[:, None]) * (2 * np.pi / angular)
    radii = rings[:, None] / radial
    places = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=-1).reshape(-1, 2)
    return np.concatenate([np.zeros((1, 2)), places])


def ring_map(scores: FloatArray, radial: int, angular: int, side: int) -> NDArray[np.float32]:
    """Scores at ``ring_offsets`` as a square map over the disc's bounding square, linear in radius and angle.

    Args:
        scores: (1 + radial * angular,).
        side: cells of the map; the middle one, if it is odd, lies on the centre.

    Returns:
        float32 (side, side); outside of the disc the least score.
    """
    steps = (2 * np.arange(side) + 1) / side - 1
    x, y = steps[None, :], steps[:, None]
    radius, angle = np.hypot(x, y) * radial, np.arctan2(y, x) * (angular / (2 * np.pi))
    rings = np.concatenate([np.full((1, angular), scores[0]), scores[1:].reshape(radial, angular)])
    inner = np.minimum(radius.astype(int), radial - 1)
    share = np.clip(radius - inner, 0, 1)
    near, far = (_around(rings, ring, angle) for ring in (inner, inner + 1))
    inside = radius <= radial + radial / side  # cells whose centre is just outside belong to the outermost ring
    return np.where(inside, (1 - share) * near + share * far, scores.min()).astype(np.float32)


def _around(rings: FloatArray, ring: NDArray[np.intp], angle: FloatArray) -> FloatArray:
    """Values on rings, linear between neighbouring angles; ``angle`` counts steps of a ring that is not turned."""
    place = angle - 0.5 * (ring % 2)
    first = np.floor(place).astype(int)
    share = place - first
    count = rings.shape[1]
    values: FloatArray = (1 - share) * rings[ring, first % count] + share * rings[ring, (first + 1) % count]
    return values


def standing_out(scores: FloatArray, places: FloatArray, best: int, apart: float) -> float:
    """How far the best place's score stands out: (peak - mean) / std of the places away from it.

    The peak-to-sidelobe ratio of Bolme et al. (2010) for scores that lie on no grid.

    Args:
        scores: (P,).
        places: (P, 2) where they are.
        best: index of the peak.
        apart: places up to this distance belong to the peak.

    Returns:
        The ratio, not negative; 0 where no place is away.
    """
    away = scores[np.hypot(*(places - places[best]).T) > apart]
    if not len(away):
        return 0.0
    return max(0.0, float(scores[best] - away.mean()) / math.sqrt(max(float(away.var()), 1e-12)))
