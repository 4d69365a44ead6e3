"""The published networks' files: where they lie, which they are, and one clear sentence where one is not right."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from siam_tracker_core.errors import WeightsError

OPTION = "--peer_models"


def find_files(tracker: str, names: Sequence[str], folders: Sequence[Path]) -> tuple[Path, ...]:
    """The files of a published tracker.

    Args:
        tracker: its name, for the message.
        names: of the files.
        folders: where they may lie: in one of these, or in a folder right inside one.

    Raises:
        WeightsError: if one is nowhere.
    """
    places = [place for folder in folders for place in (folder, *_inside(folder))]
    for place in places:
        if all((place / name).is_file() for name in names):
            return tuple(place / name for name in names)
    files = " and ".join(names)
    if not folders:
        raise WeightsError(
            f"tracker {tracker!r} needs the files {files}, which are not part of this package; give the folder that "
            f"holds them with {OPTION}, or leave {tracker!r} out"
        )
    missing = next(name for name in names if not any((place / name).is_file() for place in places))
    raise WeightsError(
        f"tracker {tracker!r} needs {folders[0] / missing}, which does not exist; give the folder that holds {files} "
        f"with {OPTION}, or leave {tracker!r} out"
    )


def hashes(paths: Sequence[Path]) -> dict[str, str]:
    """SHA-256 of files by their names."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
