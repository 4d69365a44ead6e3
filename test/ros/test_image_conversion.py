"""Every encoding becomes the BGR pixels that it stands for, and nothing broken gets through."""

from __future__ import annotations

import array
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from siam_tracker_core.errors import ImageError
from siam_tracker_ros import image_conversion
from siam_tracker_ros.image_conversion import (
    SUPPORTED_ENCODINGS,
    bgr_to_message,
    compressed_to_bgr,
    image_to_bgr,
    response_to_message,
)

BAYER = {"bayer_rggb8": "RGGB", "bayer_bggr8": "BGGR", "bayer_gbrg8": "GBRG", "bayer_grbg8": "GRBG"}
CHANNELS = {
    "bgr8": 3,
    "8UC3": 3,
    "rgb8": 3,
    "bgra8": 4,
    "rgba8": 4,
    "yuv422": 2,
    "uyvy": 2,
    "yuv422_yuy2": 2,
    "yuyv": 2,
}


def message(encoding: str, rows: NDArray[np.uint8], width: int, padding: int = 0, bigendian: bool = False) -> Image:
    """An image of the given bytes (height, bytes a row), each row followed by padding that holds rubbish."""
    padded = np.full((rows.shape[0], rows.shape[1] + padding), 171, dtype=np.uint8)
    padded[:, : rows.shape[1]] = rows
    return Image(
        height=rows.shape[0],
        width=width,
        encoding=encoding,
        step=padded.shape[1],
        is_bigendian=int(bigendian),
        data=array.array("B", padded.tobytes()),
    )


def random_bgr(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


shapes = st.tuples(st.integers(1, 9), st.integers(1, 9))
paddings = st.integers(0, 7)
seeds = st.integers(0, 99)


@given(shape=shapes, padding=paddings, seed=seeds)
@settings(max_examples=40, deadline=None)
def test_colour_orders_and_padding(shape: tuple[int, int], padding: int, seed: int) -> None:
    height, width = shape
    bgr = random_bgr(height, width, seed)
    alpha = np.full((height, width, 1), 77, dtype=np.uint8)
    forms = {
        "bgr8": bgr,
        "8UC3": bgr,
        "rgb8": bgr[..., ::-1],
        "bgra8": np.concatenate((bgr, alpha), axis=2),
        "rgba8": np.concatenate((bgr[..., ::-1], alpha), axis=2),
    }
    for encoding, pixels in forms.items():
        got = image_to_bgr(message(encoding, pixels.reshape(height, -1), width, padding))
        assert got.dtype == np.uint8
        np.testing.assert_array_equal(got, bgr, err_msg=encoding)


@given(shape=shapes, padding=paddings, seed=seeds)
@settings(max_examples=40, deadline=None)
def test_grey(shape: tuple[int, int], padding: int, seed: int) -> None:
    height, width = shape
    grey = random_bgr(height, width, seed)[..., 0]
    for encoding in ("mono8", "8UC1"):
        got = image_to_bgr(message(encoding, grey, width, padding))
        np.testing.assert_array_equal(got, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("bigendian", [False, True])
@given(shape=shapes, padding=paddings, seed=seeds)
@settings(max_examples=30, deadline=None)
def test_mono16_is_scaled_in_either_byte_order(
    bigendian: bool, shape: tuple[int, int], padding: int, seed: int
) -> None:
    height, width = shape
    wide = np.random.default_rng(seed).integers(0, 65536, shape).astype(">u2" if bigendian else "<u2")
    got = image_to_bgr(message("mono16", wide.view(np.uint8).reshape(height, -1), width, padding, bigendian))
    exact = wide.astype(np.float64) * 255 / 65535
    assert np.abs(got - exact[..., None]).max() <= 0.5 + 1e-6


def test_mono16_keeps_the_ends_of_the_range() -> None:
    wide = np.array([[0, 65535]], dtype="<u2")
    got = image_to_bgr(message("mono16", wide.view(np.uint8).reshape(1, -1), 2))
    assert got[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize(("encoding", "order"), [("yuv422", "UYVY"), ("uyvy", "UYVY"), ("yuv422_yuy2", "YUYV")])
@pytest.mark.parametrize("padding", [0, 3])
def test_yuv422_of_one_colour(encoding: str, order: str, padding: int) -> None:
    # ITU-R BT.601 in video range: this triple is a strong blue.
    values = {"Y": 81, "U": 220, "V": 100}
    seen = iter("UV" * 1000)
    row = np.array([values["Y"] if letter == "Y" else values[next(seen)] for letter in order * 4], dtype=np.uint8)
    got = image_to_bgr(message(encoding, np.tile(row, (6, 1)), 8, padding))
    luma, blue, red = 1.164 * (81 - 16), 2.018 * (220 - 128), 1.596 * (100 - 128)
    green = -0.391 * (220 - 128) - 0.813 * (100 - 128)
    expected = np.clip([luma + blue, luma + green, luma + red], 0, 255)
    assert got.shape == (6, 8, 3)
    assert np.abs(got - expected).max() <= 2


@pytest.mark.parametrize("encoding", BAYER)
@pytest.mark.parametrize("padding", [0, 5])
def test_bayer_of_one_colour(encoding: str, padding: int) -> None:
    colour = {"B": 30, "G": 120, "R": 220}
    first, second = BAYER[encoding][:2], BAYER[encoding][2:]
    rows = [[colour[pattern[x % 2]] for x in range(8)] for pattern in (first, second) * 4]
    got = image_to_bgr(message(encoding, np.array(rows, dtype=np.uint8), 8, padding))
    np.testing.assert_array_equal(got[2:-2, 2:-2], np.tile(np.array([30, 120, 220], dtype=np.uint8), (4, 4, 1)))


def test_bgr8_is_not_copied() -> None:
    source = message("bgr8", random_bgr(4, 5).reshape(4, -1), 5)
    assert np.shares_memory(image_to_bgr(source), np.frombuffer(source.data, dtype=np.uint8))


def test_a_missing_padding_after_the_last_row_is_forgiven() -> None:
    bgr = random_bgr(3, 4)
    source = message("bgr8", bgr.reshape(3, -1), 4, padding=4)
    source.data = source.data[:-4]
    np.testing.assert_array_equal(image_to_bgr(source), bgr)


def broken(**changes: object) -> Image:
    source = message("bgr8", random_bgr(4, 6).reshape(4, -1), 6)
    for name, value in changes.items():
        setattr(source, name, value)
    return source


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (broken(encoding="yuv411"), "encoding 'yuv411' is not supported; expected one of bgr8"),
        (broken(encoding=""), "encoding '' is not supported"),
        (broken(data=array.array("B")), "truncated: it has 0 bytes of data; expected 72"),
        (broken(data=array.array("B", bytes(71))), "truncated: it has 71 bytes of data; expected 72"),
        (broken(width=0), "empty: its size is 0x4"),
        (broken(height=0), "empty: its size is 6x0"),
        (broken(step=17), "has step 17; a row needs at least 18 bytes"),
        (broken(encoding="yuv422", width=5), "odd width; it must be even"),
    ],
)
def test_broken_images_are_refused_in_words(source: Image, words: str) -> None:
    with pytest.raises(ImageError) as refusal:
        image_to_bgr(source)
    assert words in str(refusal.value)
    if "supported" in words:
        assert all(name in str(refusal.value) for name in SUPPORTED_ENCODINGS)


def test_compressed() -> None:
    bgr = random_bgr(24, 32)
    png = CompressedImage(format="png", data=array.array("B", cv2.imencode(".png", bgr)[1].tobytes()))
    np.testing.assert_array_equal(compressed_to_bgr(png), bgr)
    grey = CompressedImage(format="jpeg", data=array.array("B", cv2.imencode(".jpg", bgr[..., 0])[1].tobytes()))
    assert compressed_to_bgr(grey).shape == (24, 32, 3)


def test_broken_compressed_images_are_refused_in_words() -> None:
    with pytest.raises(ImageError, match="empty"):
        compressed_to_bgr(CompressedImage(format="jpeg"))
    with pytest.raises(ImageError, match=r"'jpeg', 9 bytes.*cannot be decoded; expected a whole JPEG or PNG"):
        compressed_to_bgr(CompressedImage(format="jpeg", data=array.array("B", b"not a jpe")))


def test_half_a_jpeg_is_refused_although_it_could_be_decoded() -> None:
    whole = cv2.imencode(".jpg", random_bgr(24, 32))[1].tobytes()
    with pytest.raises(ImageError, match="truncated: its data has no JPEG end mark"):
        compressed_to_bgr(CompressedImage(format="jpeg", data=array.array("B", whole[: len(whole) * 2 // 3])))


def test_to_messages_and_back() -> None:
    bgr = random_bgr(5, 7)
    there = bgr_to_message(bgr[:, ::-1])  # not contiguous
    assert (there.width, there.height, there.step, there.encoding) == (7, 5, 21, "bgr8")
    np.testing.assert_array_equal(image_to_bgr(there), bgr[:, ::-1])
    response = np.random.default_rng(0).normal(size=(17, 19)).astype(np.float32)
    there = response_to_message(response)
    assert (there.width, there.height, there.step, there.encoding) == (19, 17, 76, "32FC1")
    assert bool(there.is_bigendian) == (sys.byteorder == "big")
    np.testing.assert_array_equal(np.frombuffer(there.data, np.float32).reshape(17, 19), response)


@pytest.mark.parametrize("encoding", SUPPORTED_ENCODINGS)
def test_cv_bridge_gives_the_same_pixels(encoding: str) -> None:
    if image_conversion._BRIDGE is None:
        pytest.skip("cv_bridge is not installed here, or is not the one of ROS 2")
    if encoding not in image_conversion._BRIDGED:
        pytest.skip(f"{encoding} does not go through cv_bridge: nothing to convert, or it failed the self-test")
    width, height = 32, 24
    row = width * CHANNELS.get(encoding, 2 if encoding == "mono16" else 1)
    rows = np.random.default_rng(1).integers(0, 256, (height, row), dtype=np.uint8)
    source = message(encoding, rows, width)
    np.testing.assert_array_equal(image_conversion._with_bridge(source), image_conversion._with_numpy(source))
