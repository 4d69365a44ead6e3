"""A target that hides, as several tests show it to the cascade."""

from __future__ import annotations

import pytest
from made_cascade import BLUE, GREEN, RED, Actor, staged


@pytest.fixture(scope="module")
def hiding():
    """The target hides between two look-alikes for five frames, and comes back in paler colours."""
    frames = 16
    red = Actor(RED, [(140, 100, float(not 3 <= t < 8), 1.0 if t < 8 else 0.6) for t in range(frames)])
    blue = Actor(BLUE, [(188, 100, 1.0, 1.0)] * frames)
    green = Actor(GREEN, [(110, 145, 1.0, 1.0)] * frames)
    return red, staged(blue, green, red)
