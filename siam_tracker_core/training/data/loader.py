"""A loader that does not begin twice what it need begin once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader


class _Noting(Iterator[Any]):
    """An iterator that knows whether something was taken of it."""

    def __init__(self, source: Iterator[Any]) -> None:
        self.source, self.taken = source, False

    def __next__(self) -> Any:
        self.taken = True
        return next(self.source)


class PatientLoader(DataLoader[Any]):
    """Gives an iterator again as long as nothing was taken of it.

    Lightning asks for two at the start of every epoch but the first, and uses the second alone; the workers of the
    first would have begun to read and decode for nothing.
    """

    _begun: _Noting | None = None

    def __iter__(self) -> Any:
        if self._begun is None or self._begun.taken:
            self._begun = _Noting(super().__iter__())
        return self._begun
