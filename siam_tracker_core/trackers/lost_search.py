"""Where to look for a lost target: at its own scale, in a region that grows from frame to frame."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from siam_tracker_core.geometry import Window


def ring(radius: int) -> list[tuple[int, int]]:
    """The cells (column, row) at Chebyshev distance ``radius`` from the origin, nearest first."""
    span = range(-radius, radius + 1)
    cells = [(x, y) for x, y in itertools.product(span, span) if max(abs(x), abs(y)) == radius]
    return sorted(cells, key=lambda cell: cell[0] ** 2 + cell[1] ** 2)


class LostSearch:
    """A sweep of windows over tiles around the place of loss: ring 1, rings 1 and 2, rings 1 to 3, and so on.

    Each frame looks at the place itself and at some tiles more, so that the cost of a frame stays that of tracking;
    rings that have no tile inside the image end the growth, and the sweep starts again.

    Args:
        home: the search window at the place of loss.
        step: distance in pixels between neighbouring tiles.
        image_size: width and height in pixels; tiles centred outside are left out.
    """

    def __init__(self, home: Window, step: float, image_size: tuple[int, int]) -> None:
        self.home, self.step, self.image_size = home, step, image_size
        self._tiles = self._sweep()

    def windows(self, count: int) -> list[Window]:
        """The next ``count`` windows; the first one is always the place of loss."""
        return [self.home, *itertools.islice(self._tiles, count - 1)]

    def _inside(self, radius: int) -> list[Window]:
        tiles = [
            Window(self.home.centre_x + x * self.step, self.home.centre_y + y * self.step, self.home.size)
            for x, y in ring(radius)
        ]
        width, height = self.image_size
        return [tile for tile in tiles if 0 <= tile.centre_x <= width and 0 <= tile.centre_y <= height]

    def _sweep(self) -> Iterator[Window]:
        while True:
            reached: list[Window] = []
            for radius in itertools.count(1):
                tiles = self._inside(radius)
                if not tiles:
                    break
                reached += tiles
                yield from reached
            if not reached:
                yield self.home
