"""The chunks of an AVI file: where its parts lie, and a walk from frame to frame that goes on behind damaged places."""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

_FRAME = re.compile(rb"\d\d(?:dc|db)")  # compressed and uncompressed frames
_OTHER = re.compile(rb"\d\d(?:wb|tx|pc)|ix\d\d|JUNK|LIST|idx1|rec ")
_JPEG_START = b"\xff\xd8"
_ENTRY = struct.Struct("<4sIII")  # chunk's name, flags, place, size


class Chunk(NamedTuple):
    """A frame: its chunk's name, the place of that name in the file, and how many bytes follow the name and size."""

    name: bytes
    place: int
    size: int


class Step(NamedTuple):
    """A frame that the walk met, and whether something that is no chunk lies before it."""

    chunk: Chunk
    after_gap: bool


@dataclass(frozen=True)
class Walk:
    """The frames of a walk, in order.

    Attributes:
        steps: each frame.
        to_the_end: whether the walk came to what follows the frames, so that the file is not cut short.
    """

    steps: list[Step]
    to_the_end: bool


@dataclass(frozen=True)
class Layout:
    """Where the parts of an AVI file lie.

    Attributes:
        movi: the place of the name of the list of frames.
        end: the place behind that list; behind the file if it is not known.
        entries: the frames that the index names; empty where it is missing or damaged.
        counts: how many frames the header tells, by the stream and by the file.
        riff_size: bytes that the file should have.
        slip: how far the index lies from where it should, because bytes before it are gone.
    """

    movi: int
    end: int
    entries: tuple[Chunk, ...]
    counts: tuple[int, ...]
    riff_size: int
    slip: int


def layout_of(data: mmap.mmap) -> Layout | None:
    """The parts of an AVI file; a damaged header is passed over as far as its names can be found.

    Returns:
        None if this is no AVI file, or one of several parts.
    """
    is_avi = data[:4] == b"RIFF" and data[8:12] == b"AVI "
    if not is_avi and data.find(b"avih", 0, 256) < 0:
        return None
    chunks: dict[bytes, tuple[int, int]] = {}
    for name, where in _outer(data):
        chunks.setdefault(name, where)
    if b"RIFF" in chunks:
        return None
    movi, size = chunks.get(b"movi", (data.find(b"movi"), 0))
    if movi < 0:
        return None
    index = chunks.get(b"idx1", (data.rfind(b"idx1", movi) + 8, 0))[0]
    at_index = index - 8 > movi
    end = movi + size if size else index - 8 if at_index else len(data) + 1
    slip = index - 8 - movi - size - size % 2 if at_index and size else 0
    riff_size = struct.unpack_from("<I", data, 4)[0] if is_avi else 0
    entries = _entries(data, index, movi) if at_index else ()
    return Layout(movi, end, entries, _counts(data, movi), riff_size, slip)


def walk(data: mmap.mmap, layout: Layout) -> Walk:
    """Go from chunk to chunk; where there is none, go on at the next place that looks like a frame."""
    steps: list[Step] = []
    place, gap = layout.movi + 4, False
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        fits = place + 8 + size <= len(data)
        if name in (b"LIST", b"RIFF"):
            place += 12
        elif name == b"idx1":
            return Walk(steps, True)
        elif _FRAME.fullmatch(name) and fits:
            steps.append(Step(Chunk(name, place, size), gap))
            place, gap = place + 8 + size + size % 2, False
        elif _OTHER.fullmatch(name) and fits:
            place += 8 + size + size % 2
        else:
            following = _next_frame(data, place + 1)
            if following is None:
                if _FRAME.fullmatch(name) and data[place + 8 : place + 10] == _JPEG_START:  # the file ends within it
                    steps.append(Step(Chunk(name, place, len(data) - place - 8), gap))
                return Walk(steps, place >= layout.end)
            place, gap = following, True
    return Walk(steps, place >= layout.end)


def _next_frame(data: mmap.mmap, start: int) -> int | None:
    """The next place with a frame's name, a size that fits, and another chunk or the end behind it."""
    for match in _FRAME.finditer(data, start):
        place = match.start()
        if place + 8 > len(data):
            return None
        size = struct.unpack_from("<I", data, place + 4)[0]
        behind = place + 8 + size + size % 2
        if behind > len(data) + 1:
            continue
        name = data[behind : behind + 4]
        if (
            len(name) < 4
            or _FRAME.fullmatch(name)
            or _OTHER.fullmatch(name)
            or data[place + 8 : place + 10] == _JPEG_START
        ):
            return place
    return None


def _entries(data: mmap.mmap, first: int, movi: int) -> tuple[Chunk, ...]:
    """The frames that the index names, at their places in the file; none if it is not whole."""
    size = struct.unpack_from("<I", data, first - 4)[0]
    if size % _ENTRY.size or first + size > len(data):
        return ()
    entries = list(_ENTRY.iter_unpack(data[first : first + size]))
    frames = [entry for entry in entries if _FRAME.fullmatch(entry[0])]
    named = all(_FRAME.fullmatch(entry[0]) or _OTHER.fullmatch(entry[0]) for entry in entries)
    if not named or not frames or any(entry[0] != frames[0][0] for entry in frames):
        return ()

    def fits(origin: int) -> int:
        return sum(data[origin + place : origin + place + 4] == name for name, _, place, _ in frames)

    origin = max((0, movi), key=fits)  # places are counted from the list's name, or from the file's begin
    return tuple(Chunk(name, origin + place, length) for name, _, place, length in frames)


def _counts(data: mmap.mmap, movi: int) -> tuple[int, ...]:
    stream = data.find(b"vids", 0, movi)
    main = data.find(b"avih", 0, movi)
    places = [place for place in (stream + 32 if stream >= 8 else -1, main + 24 if main >= 0 else -1) if place >= 0]
    return tuple(struct.unpack_from("<I", data, place)[0] for place in places)


def _outer(data: mmap.mmap) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Names of the file's outer chunks and lists, each with its place (of a list: of its name) and size."""
    place = 12
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        if name == b"LIST":
            yield data[place + 8 : place + 12], (place + 8, size)
        else:
            yield name, (place + 8, size)
        place += 8 + size + size % 2
