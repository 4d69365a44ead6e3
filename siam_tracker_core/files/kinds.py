"""What a file really is, where a download put something else in the place of weights."""

from __future__ import annotations

from pathlib import Path

_LOOKED_AT = 1024


def impostor(path: Path) -> str:
    """What a file is, with a remedy, if it is one of the things that failed downloads leave; empty otherwise.

    Returns:
        A clause that follows the file's name, such as ``is a web page, ...``.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_LOOKED_AT)
    except OSError:
        return ""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the file that it points to; run `git lfs pull`, or download the file itself"
    if start.startswith((b"<!doctype html", b"<html", b"<head")):
        return "is a web page (HTML), such as a login, quota or error page; download the file itself"
    if start.startswith(b"<?xml"):
        return "is an XML page, such as a storage service's error; download the file itself"
    return ""
