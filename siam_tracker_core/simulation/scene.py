"""What stands in the made world: a room, round pillars, and cards that always face the camera.

The world's frame has x and y on the floor and z upwards, in metres. Every surface but the floor is upright, so that a
direction's azimuth alone says how far away a surface is over the floor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def cloudy(seed: int, width: int, height: int, cell: int, low: int = 0, high: int = 255) -> Pixels:
    """A texture of soft coloured spots: uint8 (height, width, 3)."""
    random = np.random.default_rng(seed)
    layers = [
        cv2.resize(
            random.integers(low, high, (height // size + 2, width // size + 2, 3), dtype=np.uint8),
            (width, height),
            interpolation=cv2.INTER_CUBIC,
        ).astype(np.float32)
        * share
        for size, share in ((cell, 0.65), (max(1, cell // 3), 0.35))
    ]
    return np.clip(sum(layers[1:], start=layers[0]), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Room:
    """Four walls around the origin, and a floor.

    Attributes:
        half: half the room's side in metres.
        height: of the walls in metres.
        wall: texture of all four walls in a row.
        floor: texture of the whole floor.
    """

    half: float = 9.0
    height: float = 3.0
    wall: Pixels = field(default_factory=lambda: cloudy(1, 2048, 256, 24, 60, 190), repr=False)
    floor: Pixels = field(default_factory=lambda: cloudy(2, 1024, 1024, 16, 90, 150), repr=False)


@dataclass(frozen=True)
class Card:
    """A flat figure that turns with the camera, so that it looks the same from everywhere.

    Attributes:
        x, y: where its foot's middle stands, in metres.
        width, height: in metres.
        texture: its picture.
    """

    x: float
    y: float
    width: float
    height: float
    texture: Pixels = field(repr=False)


@dataclass(frozen=True)
class Pillar:
    """An upright cylinder.

    Attributes:
        x, y: of its middle, in metres.
        radius, height: in metres.
        texture: around it.
    """

    x: float
    y: float
    radius: float
    height: float
    texture: Pixels = field(default_factory=lambda: cloudy(3, 256, 256, 40, 150, 250), repr=False)


@dataclass(frozen=True)
class Scene:
    """All that there is.

    Attributes:
        room: around everything.
        objects: in no particular order.
    """

    room: Room
    objects: Sequence[Card | Pillar] = ()
