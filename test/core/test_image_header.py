"""Sizes in headers against what OpenCV decodes, and bombs."""

from __future__ import annotations

import resource
import struct
import zlib

import cv2
import numpy as np
import pytest

from siam_tracker_core.errors import ImageError
from siam_tracker_core.image_header import check_pixels, image_size, promises_too_much
from siam_tracker_core.pixels import decode_file


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tiff"])
def test_the_size_is_that_of_the_decoded_image(suffix: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (31, 57, 3), dtype=np.uint8)
    data = cv2.imencode(suffix, pixels)[1]
    height, width = cv2.imdecode(data, cv2.IMREAD_COLOR).shape[:2]
    assert image_size(data.tobytes()) == (width, height) == (57, 31)


def png_bomb(side: int) -> bytes:
    """A few hundred bytes that say they are an image of side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_a_bomb_is_refused_by_its_header() -> None:
    width, height = image_size(png_bomb(12_000))
    with pytest.raises(ImageError, match=r"the 12000x12000 image has 144.0 million pixels; at most 64.0 million"):
        check_pixels(width, height)
    with pytest.raises(ImageError, match="cannot be decoded"):
        image_size(png_bomb(100_000))  # more than Pillow itself would look at


@pytest.mark.parametrize("data", [b"", b"GIF89a" + bytes(100), bytes(1000), b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_of_a_known_format_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="cannot be decoded; expected a whole file of JPEG, PNG"):
        image_size(data)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tiff"])
def test_a_whole_file_promises_no_more_than_it_has(suffix: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (31, 57, 3), dtype=np.uint8)
    assert not promises_too_much(cv2.imencode(suffix, pixels)[1].tobytes())


@pytest.mark.parametrize("kind", [b"IDAT", b"tEXt", b"acTL", b"IEND"])
def test_a_chunk_that_is_longer_than_its_file_is_refused_before_memory_is_taken(kind: bytes) -> None:
    """With such a chunk of 2 GB, OpenCV takes as much before it sees that the file is at its end."""
    start = png_bomb(24)[:33]
    data = start + struct.pack(">I", 2**31 - 1) + kind + b"abcd"
    assert promises_too_much(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="no whole image file"):
        decode_file(np.frombuffer(data, np.uint8))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB
