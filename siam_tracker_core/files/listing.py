"""The order in which files are taken, and which of them nobody put there on purpose."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_DIGITS = re.compile(r"(\d+)")
_LITTER = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})  # of archives and file managers


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts numbers by their value: ``1, 2, 10``, not ``1, 10, 2``.

    Texts that differ have keys that differ, so that an order never depends on how a file system lists.
    """
    parts = _DIGITS.split(text)
    key = [(1, int(part), part) if place % 2 else (0, 0, part) for place, part in enumerate(parts)]
    return tuple(key)


def naturally(paths: Iterable[Path]) -> list[Path]:
    """Paths in natural order, folder by folder, without those that ``is_hidden``."""
    shown = (path for path in paths if not is_hidden(path))
    return sorted(shown, key=lambda path: tuple(natural_key(part) for part in path.parts))


def is_hidden(path: Path) -> bool:
    """Whether a file's own name marks it as no data: ``.name``, macOS's ``._name``, and what file managers leave."""
    return path.name.startswith(".") or path.name in _LITTER or path.parent.name == "__MACOSX"
