"""JPEG files of pictures: each picture once for each step of quality, however many clients want it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2

from siam_tracker_core.console.picture import BgrImage, Picture


@dataclass(frozen=True)
class Step:
    """One step of quality.

    Attributes:
        width: of the sent picture at most, in pixels.
        quality: of the JPEG file, 1..100.
    """

    width: int
    quality: int


# From what a weak radio link carries (3 kB a picture) to a full-HD picture for a wall; each about half as much again.
STEPS = (
    Step(240, 35),
    Step(320, 45),
    Step(480, 50),
    Step(640, 60),
    Step(640, 80),
    Step(960, 75),
    Step(1280, 80),
    Step(1920, 85),
    Step(3840, 90),
)
NAMED = {"low": 2, "medium": 4, "high": len(STEPS) - 1}


def highest_step(width: int) -> int:
    """The lowest step whose pictures are as wide as a canvas of ``width`` pixels; more would not be seen."""
    return next((number for number, step in enumerate(STEPS) if step.width >= width), len(STEPS) - 1)


class Encoder:
    """Encodes in one thread of its own; what several clients want of one picture is made once."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="console encoder")
        self._picture: Picture | None = None
        self._made: dict[int, asyncio.Future[tuple[tuple[int, int], bytes]]] = {}
        self.count = 0

    async def encode(self, picture: Picture, step: int) -> tuple[tuple[int, int], bytes]:
        """The picture's own width and height, and a JPEG file of it at a step of quality.

        Raises:
            SiamTrackerError: if the picture cannot be decoded.
        """
        if picture is not self._picture:
            self._picture, self._made = picture, {}
        if step not in self._made:
            self.count += 1
            loop = asyncio.get_running_loop()
            self._made[step] = loop.run_in_executor(self._thread, _jpeg, picture, STEPS[step])
        return await asyncio.shield(self._made[step])

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _jpeg(picture: Picture, step: Step) -> tuple[tuple[int, int], bytes]:
    pixels = picture.pixels
    height, width = pixels.shape[:2]
    return (width, height), encode_jpeg(_reduced(pixels, step.width), step.quality)


def _reduced(pixels: BgrImage, width: int) -> BgrImage:
    """At most so wide. Down to half the size four neighbours suffice, at a sixth of the time of whole areas."""
    if pixels.shape[1] <= width:
        return pixels
    height = max(1, round(pixels.shape[0] * width / pixels.shape[1]))
    way = cv2.INTER_LINEAR if 2 * width >= pixels.shape[1] else cv2.INTER_AREA
    return cv2.resize(pixels, (width, height), interpolation=way)  # type: ignore[return-value]


def encode_jpeg(pixels: BgrImage, quality: int) -> bytes:
    """A JPEG file of uint8 (H, W, 3) BGR pixels, quality 1..100."""
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])
