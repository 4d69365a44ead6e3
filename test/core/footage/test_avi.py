"""Damaged Motion JPEG files: each kind of damage, what is still read, under which numbers, and what is said.

Each frame's brightness tells its number, so what is read is checked against what was filmed.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.footage.avi import avi_frames
from siam_tracker_core.footage.video import VideoFile

COUNT = 12
Damage = Callable[["Parts"], bytes]


class Parts:
    """A whole file, and where its parts lie as FFmpeg wrote them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.movi, self.index = data.index(b"movi"), data.index(b"idx1")
        self.frames = [match.start() for match in re.finditer(b"00dc", data) if self.movi < match.start() < self.index]
        self.total, self.length = data.index(b"avih") + 24, data.index(b"vids") + 32

    def with_bytes(self, *changes: tuple[int, bytes]) -> bytes:
        data = bytearray(self.data)
        for place, new in changes:
            data[place : place + len(new)] = new
        return bytes(data)


def junk(count: int) -> bytes:
    return np.random.default_rng(0).integers(128, 255, count, dtype=np.uint8).tobytes()


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    path = tmp_path_factory.mktemp("avi") / "whole.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (160, 120))
    pattern = np.random.default_rng(0).integers(-9, 10, (120, 160, 3))
    for number in range(COUNT):
        writer.write((pattern - pattern.mean() + 20 * (number + 1)).astype(np.uint8))
    writer.release()
    found = Parts(path.read_bytes())
    assert len(found.frames) == COUNT
    return found


def without_index(data: bytes) -> bytes:
    return data.replace(b"idx1", junk(4))


DAMAGES: dict[str, tuple[Damage, list[int], list[int]]] = {
    # name: (damage, frames that are missing, frames that are damaged)
    "nothing": (lambda p: p.data, [], []),
    "the file's name": (lambda p: p.with_bytes((0, junk(12))), [], []),
    "the file's name, and cut": (lambda p: p.with_bytes((0, junk(12)))[: p.frames[7]], [7, 8, 9, 10, 11], []),
    "both counts": (lambda p: p.with_bytes((p.total, bytes(4)), (p.length, bytes(4))), [], []),
    "one count, and cut": (lambda p: p.with_bytes((p.length, bytes(4)))[: p.frames[7]], [7, 8, 9, 10, 11], []),
    "a count without bounds": (lambda p: p.with_bytes((p.length, b"\xff" * 4)), [], []),
    "a count without bounds, and cut": (
        lambda p: p.with_bytes((p.length, b"\xff\xff\xff\x7f"))[: p.frames[7]],
        [7, 8, 9, 10, 11],
        [],
    ),
    "a frame's name": (lambda p: p.with_bytes((p.frames[4], junk(4))), [], []),
    "a frame's size": (lambda p: p.with_bytes((p.frames[4] + 4, struct.pack("<I", 1 << 28))), [], []),
    "a picture's header": (lambda p: p.with_bytes((p.frames[4] + 8, bytes(60))), [4], []),
    "the end of one and the begin of the next": (
        lambda p: p.with_bytes((p.frames[4] - 60, junk(120))),
        [4],
        [3],
    ),
    "bytes that are gone": (lambda p: p.data[: p.frames[4] - 20] + p.data[p.frames[4] + 40 :], [4], [3]),
    "the index": (lambda p: without_index(p.data), [], []),
    "the index of the last frames": (
        lambda p: p.data[: p.index + 4] + struct.pack("<I", 16 * 5) + p.data[p.index + 8 : p.index + 8 + 16 * 5],
        [],
        [],
    ),
    "the index and a frame's name": (lambda p: without_index(p.with_bytes((p.frames[4], junk(4)))), [4], []),
    "cut in a frame": (lambda p: p.data[: p.frames[7] + 30], [7, 8, 9, 10, 11], []),
    "cut in a picture": (lambda p: p.data[: p.frames[8] - 12], [8, 9, 10, 11], [7]),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_what_can_be_read_has_its_number_and_the_rest_is_told_of(parts: Parts, kind: str, tmp_path: Path) -> None:
    damage, missing, damaged = DAMAGES[kind]
    path = tmp_path / "video.avi"
    path.write_bytes(damage(parts))
    video = VideoFile(path)
    read = [(frame.number, round(float(frame.image.mean()) / 20) - 1) for frame in video.frames()]
    assert [number for number, _ in read] == [number for number in range(COUNT) if number not in missing]
    assert all(number == filmed for number, filmed in read if number not in damaged)
    assert video.missing() == missing
    words = video.complaint()
    assert (f"of {COUNT} frames" in words) == bool(missing or damaged)
    assert (f"{len(missing)} missing" in words, f"{len(damaged)} damaged" in words) == (bool(missing), bool(damaged))


def test_without_an_index_two_damaged_places_are_told_to_be_uncertain(parts: Parts, tmp_path: Path) -> None:
    path = tmp_path / "video.avi"
    path.write_bytes(without_index(parts.with_bytes((parts.frames[3], junk(4)), (parts.frames[8], junk(4)))))
    video = VideoFile(path)
    assert len(list(video.frames())) == COUNT - 2
    assert "2 missing" in video.complaint()
    assert "where the missing ones were is not certain" in video.complaint()


def test_a_header_that_nobody_can_read_is_refused(parts: Parts, tmp_path: Path) -> None:
    path = tmp_path / "video.avi"
    path.write_bytes(parts.with_bytes((parts.data.index(b"strh"), junk(4))))
    with pytest.raises(DatasetError, match="cannot be opened as a video; it is damaged"):
        VideoFile(path)


def test_other_files_are_left_to_others(tmp_path: Path) -> None:
    path = tmp_path / "video.avi"
    for data in (b"", b"RIFF", b"RIFF\0\0\0\0AVI ", b"\x1aE\xdf\xa3" + bytes(500)):
        path.write_bytes(data)
        assert avi_frames(path) is None
