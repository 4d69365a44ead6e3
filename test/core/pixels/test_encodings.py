"""Encodings against the standards' published coefficients, and layouts against bytes placed one by one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from siam_tracker_core.errors import ConfigError, ImageError
from siam_tracker_core.pixels import Contrast, PixelReader, PixelSettings, RawImage

WIDTH, HEIGHT = 6, 4
# R of V, G of U, G of V, B of U: BT.601-7 and BT.709-6 in 8 bits as tables give them, and those of full range.
COEFFICIENTS = {
    ("bt601", "video"): (1.5960, -0.3918, -0.8130, 2.0172),
    ("bt709", "video"): (1.7927, -0.2132, -0.5329, 2.1124),
    ("bt601", "full"): (1.4020, -0.3441, -0.7141, 1.7720),
    ("bt709", "full"): (1.5748, -0.1873, -0.4681, 1.8556),
}
# For each encoding: columns and rows that share a colour, and where U and V of a place lie behind luma.
SHARED = {"nv12": (2, 2), "nv21": (2, 2), "nv16": (2, 1), "nv61": (2, 1), "nv24": (1, 1)}
SHARED |= {"yuv420": (2, 2), "i420": (2, 2), "yv12": (2, 2), "yuyv": (2, 1), "uyvy": (2, 1)}


def planes(seed: int, across: int, down: int) -> tuple[NDArray, NDArray, NDArray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(16, 236, (HEIGHT, WIDTH))
    u, v = rng.integers(60, 190, (2, HEIGHT // down, WIDTH // across))
    return y, u, v


def placed(encoding: str, y: NDArray, u: NDArray, v: NDArray, step: int) -> NDArray[np.uint8]:
    """The bytes of an image, put where the format's description wants each of them."""
    across, down = SHARED[encoding]
    data = np.full(step * HEIGHT * 3, 99, np.uint8)
    for row in range(HEIGHT):
        for column in range(WIDTH):
            if encoding in ("yuyv", "uyvy"):
                luma, chroma = (0, 1) if encoding == "yuyv" else (1, 0)
                colour = (u if column % 2 == 0 else v)[row, column // 2]
                data[row * step + 2 * column + luma] = y[row, column]
                data[row * step + 2 * column + chroma] = colour
                continue
            data[row * step + column] = y[row, column]
            place = (row // down, column // across)
            behind = step * HEIGHT
            if encoding.startswith("nv"):
                stride = 2 * step if across == 1 else step
                first, second = (v, u) if encoding in ("nv21", "nv61") else (u, v)
                data[behind + place[0] * stride + 2 * place[1]] = first[place]
                data[behind + place[0] * stride + 2 * place[1] + 1] = second[place]
            else:
                first, second = (v, u) if encoding == "yv12" else (u, v)
                data[behind + place[0] * step // 2 + place[1]] = first[place]
                data[behind + step // 2 * (HEIGHT // 2) + place[0] * step // 2 + place[1]] = second[place]
    return data


def by_formula(encoding: str, y: NDArray, u: NDArray, v: NDArray, matrix: str, span: str) -> NDArray:
    across, down = SHARED[encoding]
    u, v = (np.kron(plane, np.ones((down, across))) - 128.0 for plane in (u, v))
    luma = (y - 16) * 255 / 219 if span == "video" else y.astype(float)
    red, green_u, green_v, blue = COEFFICIENTS[matrix, span]
    return np.clip(np.stack([luma + blue * u, luma + green_u * u + green_v * v, luma + red * v], -1), 0, 255)


@pytest.mark.parametrize("encoding", SHARED)
@pytest.mark.parametrize(("matrix", "span"), COEFFICIENTS)
def test_yuv_is_what_the_standards_say(encoding: str, matrix: str, span: str) -> None:
    parts = planes(3, *SHARED[encoding])
    step = (2 * WIDTH if encoding in ("yuyv", "uyvy") else WIDTH) + 4
    reader = PixelReader(PixelSettings(yuv_matrix=matrix, yuv_range=span))
    got = reader.raw(RawImage(WIDTH, HEIGHT, encoding, step, False, placed(encoding, *parts, step)))
    assert np.abs(got - by_formula(encoding, *parts, matrix, span)).max() <= 2


@pytest.mark.parametrize("encoding", ["nv12", "nv16", "nv24", "yuv420"])
def test_the_last_byte_is_needed_and_padding_is_not(encoding: str) -> None:
    parts = planes(0, *SHARED[encoding])
    step = WIDTH + 2
    data = placed(encoding, *parts, step)
    across, down = SHARED[encoding]
    rows, columns = HEIGHT // down, WIDTH // across
    if encoding.startswith("nv"):
        needed = step * HEIGHT + (2 * step if across == 1 else step) * (rows - 1) + 2 * columns
    else:
        needed = step * HEIGHT + step // 2 * (2 * rows - 1) + columns
    whole = PixelReader().raw(RawImage(WIDTH, HEIGHT, encoding, step, False, data))
    just = PixelReader().raw(RawImage(WIDTH, HEIGHT, encoding, step, False, data[:needed].copy()))
    assert np.array_equal(whole, just)
    with pytest.raises(ImageError, match="truncated"):
        PixelReader().raw(RawImage(WIDTH, HEIGHT, encoding, step, False, data[: needed - 1].copy()))


@pytest.mark.parametrize(
    ("encoding", "width", "height", "step", "words"),
    [
        ("nv12", 5, 4, 6, "odd width"),
        ("nv12", 6, 3, 6, "odd height"),
        ("yuv420", 6, 4, 7, "step 7; it must be even"),
        ("8UC2", 6, 4, 12, "'8UC2' is not supported"),
    ],
)
def test_impossible_images_are_refused(encoding: str, width: int, height: int, step: int, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        PixelReader().raw(RawImage(width, height, encoding, step, False, np.zeros(999, np.uint8)))


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("encoding", ["bgr16", "rgb16", "bgra16", "rgba16", "16UC3", "16UC4", "mono16", "16UC1"])
def test_sixteen_bits(encoding: str, big: bool) -> None:
    wide = np.random.default_rng(1).integers(0, 65536, (HEIGHT, WIDTH, 4), dtype=np.uint16)
    blue, green, red, alpha = np.moveaxis(wide, -1, 0)
    order = {"rgb": (red, green, blue), "mon": (blue,), "16U": (blue, green, red, alpha)}.get(
        encoding[:3], (blue, green, red)
    )
    if encoding in ("bgra16", "rgba16"):
        order = (*((red, green, blue) if encoding == "rgba16" else (blue, green, red)), alpha)
    if encoding in ("16UC1", "16UC3"):
        order = order[: int(encoding[-1])]
    data = np.stack(order, -1).astype(">u2" if big else "<u2").view(np.uint8).reshape(-1)
    reader = PixelReader(PixelSettings(Contrast("full")))
    got = reader.raw(RawImage(WIDTH, HEIGHT, encoding, 2 * len(order) * WIDTH, big, data))
    wanted = np.stack([blue] * 3 if len(order) == 1 else [blue, green, red], -1) / 257.0
    assert np.abs(got - wanted).max() <= 0.51


@pytest.mark.parametrize(("pattern", "rows"), [("rggb", "RGGB"), ("bggr", "BGGR"), ("gbrg", "GBRG"), ("grbg", "GRBG")])
def test_wide_bayer_of_one_colour(pattern: str, rows: str) -> None:
    colour = {"B": 257 * 30, "G": 257 * 120, "R": 257 * 220}
    mosaic = np.array([[colour[rows[2 * (y % 2) + x % 2]] for x in range(8)] for y in range(8)], "<u2")
    reader = PixelReader(PixelSettings(Contrast("full")))
    got = reader.raw(RawImage(8, 8, f"bayer_{pattern}16", 16, False, mosaic.view(np.uint8).reshape(-1)))
    assert np.array_equal(got[2:-2, 2:-2], np.broadcast_to(np.array([30, 120, 220], np.uint8), (4, 4, 3)))


def test_depth_with_a_range_and_holes() -> None:
    depth = np.array([[np.nan, 0.5, 1.0], [3.0, 99.0, np.inf]], "<f4")
    reader = PixelReader(PixelSettings(Contrast("range", 0.5, 3.0)))
    got = reader.raw(RawImage(3, 2, "32FC1", 12, False, depth.view(np.uint8).reshape(-1)))
    assert got[..., 0].tolist() == [[0, 0, 51], [255, 255, 0]]


def test_a_mislabelled_driver_is_overruled() -> None:
    parts = planes(5, 2, 1)
    data = placed("yuyv", *parts, 2 * WIDTH)
    image = RawImage(WIDTH, HEIGHT, "yuv422", 2 * WIDTH, False, data)  # which means UYVY
    right = by_formula("yuyv", *parts, "bt601", "video")
    assert np.abs(PixelReader(PixelSettings(encoding="yuyv")).raw(image) - right).max() <= 2
    assert np.abs(PixelReader().raw(image) - right).max() > 20


def test_four_channels_without_a_name_are_bgra() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (HEIGHT, WIDTH, 4), dtype=np.uint8)
    got = PixelReader().raw(RawImage(WIDTH, HEIGHT, "8UC4", 4 * WIDTH, False, pixels.reshape(-1)))
    assert np.array_equal(got, pixels[..., :3])


@pytest.mark.parametrize("wrong", [{"yuv_matrix": "bt2020"}, {"encoding": "yuv"}, {"orientation": "up"}])
def test_wrong_settings_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="expected one of"):
        PixelSettings(**wrong)
