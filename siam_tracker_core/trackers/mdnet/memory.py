"""Features that are remembered of a target's last frames, in a space that does not grow."""

from __future__ import annotations

from collections import deque

import torch


class FrameMemory:
    """The rows of features of the last so many frames; the oldest frame makes room for a new one.

    Args:
        frames: most frames that are kept.
        rows: most rows of all frames together; older frames leave earlier where that is not enough.
        width: of a row.
        dtype, device: of the rows.
    """

    def __init__(self, frames: int, rows: int, width: int, dtype: torch.dtype, device: torch.device) -> None:
        self._rows = torch.empty(rows, width, dtype=dtype, device=device)
        self._most = frames
        self._counts: deque[int] = deque()
        self._first = 0  # place of the oldest row; rows follow each other round the end
        self._length = 0

    def __len__(self) -> int:
        """Rows that are remembered."""
        return self._length

    @property
    def frames(self) -> int:
        """Frames that are remembered."""
        return len(self._counts)

    def rows_of_last(self, frames: int) -> int:
        """How many rows the last so many frames have."""
        return sum(list(self._counts)[-frames:]) if frames else 0

    def push(self, features: torch.Tensor) -> None:
        """Remember a frame's rows (n, width); a frame without rows, and rows beyond the whole space, are left out."""
        features = features[: len(self._rows)]
        count = len(features)
        if not count:
            return
        while len(self._counts) >= self._most or self._length + count > len(self._rows):
            gone = self._counts.popleft()
            self._first = (self._first + gone) % len(self._rows)
            self._length -= gone
        begin = (self._first + self._length) % len(self._rows)
        fits = min(count, len(self._rows) - begin)
        self._rows[begin : begin + fits] = features[:fits].to(self._rows)
        self._rows[: count - fits] = features[fits:].to(self._rows)
        self._counts.append(count)
        self._length += count

    def take(self, places: torch.Tensor) -> torch.Tensor:
        """Rows (k, width) by their places (k,), the oldest row's being 0."""
        return self._rows[(places + self._first) % len(self._rows)]
