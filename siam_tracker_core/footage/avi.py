"""Which frames of an AVI file are there and whole, and where, also behind damaged places.

AVI has no time stamps: a player counts frames, so behind a damaged place all numbers would be too low. The index at
the file's end (``idx1``, Microsoft's "AVI RIFF File Reference") tells where each frame lies. Where it is missing, the
frames are looked for one after the other, and counted against the file's header.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from siam_tracker_core.footage.avi_chunks import Chunk, Layout, layout_of, walk

_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
_JPEG_TAIL = 64  # bytes that some cameras write behind the end mark
_LOOK_AHEAD = 8  # frames that would have to be gone before they are looked for elsewhere
_SMALLEST_FRAME = 8  # bytes, the name and size of one


@dataclass(frozen=True)
class AviFrames:
    """The frames of the first video stream.

    Attributes:
        count: how many there should be; None where neither index nor header tells.
        found: those that are there, in order.
        numbers: of each frame in ``found``, from 0.
        damaged: the numbers of the frames that are there, but not whole; known of Motion JPEG only.
        certain: False if frames are missing in several places and no index tells how many in each.
        jpeg: whether each frame is a JPEG file.
        plain: whether all are there and whole, one behind the other, as every player reads them.
    """

    count: int | None
    found: list[Chunk]
    numbers: list[int]
    damaged: list[int]
    certain: bool
    jpeg: bool
    plain: bool


def avi_frames(path: Path) -> AviFrames | None:
    """Look each frame of an AVI file up.

    Returns:
        None if the file is no AVI of one part (those above 1 GB have several), or holds no frames.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            layout = layout_of(data)
            return None if layout is None else _frames(data, layout)
    except (OSError, ValueError, struct.error):
        return None


def _frames(data: mmap.mmap, layout: Layout) -> AviFrames | None:
    walked = walk(data, layout)
    samples = [each.chunk for each in walked.steps] or list(layout.entries)
    jpeg = 2 * sum(_begins(data, chunk) for chunk in samples) > len(samples)
    certain = True
    if layout.entries and len(layout.entries) >= len(
        walked.steps
    ):  # an index that leaves frames out is not to be believed
        count: int | None = len(layout.entries)
        found, numbers = _by_index(data, layout, [each.chunk for each in walked.steps], jpeg)
    else:
        count = _plausible(layout, len(data), len(walked.steps))
        found = [each.chunk for each in walked.steps]
        numbers, certain = _by_order([each.after_gap for each in walked.steps], walked.to_the_end, count)
    if not found and count is None:
        return None
    if jpeg:
        kept = [place for place, chunk in enumerate(found) if not chunk.size or _can_be_shown(data, chunk)]
        found, numbers = [found[place] for place in kept], [numbers[place] for place in kept]
    damaged = [n for n, chunk in zip(numbers, found, strict=True) if jpeg and chunk.size and not _ends(data, chunk)]
    complete = numbers == list(range(len(walked.steps) if count is None else count))
    plain = complete and not damaged and found == [each.chunk for each in walked.steps]
    return AviFrames(count, found, numbers, damaged, certain, jpeg, plain)


def _by_index(data: mmap.mmap, layout: Layout, walked: Sequence[Chunk], jpeg: bool) -> tuple[list[Chunk], list[int]]:
    """The frames that are where the index says, or moved together because bytes before them are gone."""
    found: list[Chunk] = []
    numbers: list[int] = []
    entries, shift = layout.entries, 0
    for number, entry in enumerate(entries):
        if not _is_there(data, _moved(entry, shift), jpeg):
            candidates = [layout.slip]
            following = entries[number + 1 : number + 1 + _LOOK_AHEAD]
            if not any(_is_there(data, _moved(each, by), jpeg) for each in following for by in (shift, layout.slip)):
                past = found[-1].place + 8 + found[-1].size if found else 0
                candidates += [each.place - entry.place for each in walked if each.place >= past]
            shift = _new_shift(data, entries[number : number + 2], candidates, jpeg, shift)
        here = _moved(entry, shift)
        if _is_there(data, here, jpeg):
            found.append(here)
            numbers.append(number)
    return found, numbers


def _new_shift(data: mmap.mmap, entries: Sequence[Chunk], candidates: Sequence[int], jpeg: bool, shift: int) -> int:
    """The first candidate for how far these frames lie from where the index says; the present shift if none fits."""
    fitting = (each for each in candidates if all(_is_there(data, _moved(entry, each), jpeg) for entry in entries))
    return next(fitting, shift)


def _moved(chunk: Chunk, shift: int) -> Chunk:
    return Chunk(chunk.name, chunk.place + shift, chunk.size)


def _by_order(after_gap: Sequence[bool], to_the_end: bool, count: int | None) -> tuple[list[int], bool]:
    """Numbers without an index: frames behind the only gap are counted from the end."""
    gaps = [place for place, gap in enumerate(after_gap) if gap]
    numbers = list(range(len(after_gap)))
    missing = 0 if count is None else count - len(numbers)
    if not gaps or missing <= 0:
        return numbers, not gaps
    if len(gaps) == 1 and to_the_end:
        return [number + missing * (number >= gaps[0]) for number in numbers], True
    return numbers, False


def _plausible(layout: Layout, size: int, found: int) -> int | None:
    """The first of the header's counts that the file could hold."""
    most = max(size, layout.riff_size) // _SMALLEST_FRAME
    return next((count for count in layout.counts if found <= count <= most), None)


def _is_there(data: mmap.mmap, chunk: Chunk, jpeg: bool) -> bool:
    if chunk.place < 0 or chunk.place + 8 + chunk.size > len(data):
        return False
    named = data[chunk.place : chunk.place + 8] == chunk.name + struct.pack("<I", chunk.size)
    return named or (jpeg and _begins(data, chunk))


def _begins(data: mmap.mmap, chunk: Chunk) -> bool:
    return data[chunk.place + 8 : chunk.place + 10] == _JPEG_START


def _can_be_shown(data: mmap.mmap, chunk: Chunk) -> bool:
    first = chunk.place + 8
    return _begins(data, chunk) and data.find(_JPEG_SCAN, first, first + chunk.size) >= 0


def _ends(data: mmap.mmap, chunk: Chunk) -> bool:
    first = chunk.place + 8
    last = first + chunk.size
    return last <= len(data) and _JPEG_END in data[max(first, last - _JPEG_TAIL) : last]
