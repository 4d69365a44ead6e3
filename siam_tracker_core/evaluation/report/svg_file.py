"""Pictures that are files of their own."""

from __future__ import annotations

from pathlib import Path

from siam_tracker_core.errors import SiamTrackerError


def write_svg(path: Path, text: str) -> None:
    """Write a picture to a file that ends in ``.svg``.

    Raises:
        SiamTrackerError: if the file has another ending or cannot be written.
    """
    if path.suffix != ".svg":
        raise SiamTrackerError(f"the picture {path} would be SVG; give a name that ends in .svg")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SiamTrackerError(f"the picture {path} could not be written ({error.strerror})") from error
