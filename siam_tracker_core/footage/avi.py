"""Which frames of an AVI file are still where its index says.

AVI has no time stamps: a player counts frames, so behind a damaged place all numbers would be too low. The index at
the file's end (``idx1``, Microsoft's "AVI RIFF File Reference") tells where each frame begins, and the file whether it
does. Of Motion JPEG a damaged frame is known too: it lacks its end mark, and a decoder makes up the rest.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_VIDEO = (b"dc", b"db")  # compressed and uncompressed frames
_ENTRY = struct.Struct("<4sIII")  # chunk's name, flags, place, size


_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_JPEG_TAIL = 64  # bytes that some cameras write behind the end mark


class AviFrames(NamedTuple):
    """The frames of the first video stream by their numbers.

    Attributes:
        there: whether each frame's chunk begins where the index says.
        damaged: the frames whose chunk is there, but not whole.
    """

    there: list[bool]
    damaged: list[int]


def avi_frames(path: Path) -> AviFrames | None:
    """Look up each frame that the index of an AVI file names.

    Returns:
        None if the file is no AVI, or its index is missing or damaged.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[:4] != b"RIFF" or data[8:12] != b"AVI ":
                return None
            return _intact(data)
    except (OSError, ValueError, struct.error):
        return None


def _intact(data: mmap.mmap) -> AviFrames | None:
    chunks = dict(_chunks(data))
    if b"movi" not in chunks or b"idx1" not in chunks:
        return None
    movi, (first, size) = chunks[b"movi"][0], chunks[b"idx1"]
    entries = [_ENTRY.unpack_from(data, place) for place in range(first, first + size - size % 16, 16)]
    frames = [entry for entry in entries if entry[0][2:] in _VIDEO]
    if not frames or any(entry[0] != frames[0][0] for entry in frames):
        return None
    # Places are counted from the list's name, or from the file's begin.
    origin = max((0, movi), key=lambda start: sum(_is_there(data, start, entry) for entry in frames))
    there = [_is_there(data, origin, entry) for entry in frames]
    damaged = [number for number, entry in enumerate(frames) if there[number] and _is_cut(data, origin, entry)]
    return AviFrames(there, damaged)


def _is_there(data: mmap.mmap, origin: int, entry: tuple[bytes, int, int, int]) -> bool:
    name, _, place, size = entry
    start = origin + place
    return data[start : start + 8] == name + struct.pack("<I", size) and start + 8 + size <= len(data)


def _is_cut(data: mmap.mmap, origin: int, entry: tuple[bytes, int, int, int]) -> bool:
    first, last = origin + entry[2] + 8, origin + entry[2] + 8 + entry[3]
    return data[first : first + 2] == _JPEG_START and _JPEG_END not in data[max(first, last - _JPEG_TAIL) : last]


def _chunks(data: mmap.mmap) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Names of the file's outer chunks and lists, each with its place (of a list: of its name) and size."""
    place = 12
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        if name == b"LIST":
            yield data[place + 8 : place + 12], (place + 8, size)
        else:
            yield name, (place + 8, size)
        place += 8 + size + size % 2
