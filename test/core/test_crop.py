"""Crops of a frame against sampling written from the definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from siam_tracker_core.crop import Frame
from siam_tracker_core.errors import ImageError
from siam_tracker_core.geometry import Window


def smooth_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    planes = [127 + 100 * np.sin(x / rng.uniform(5, 15) + rng.uniform(0, 6)) * np.cos(y / 9) for _ in range(3)]
    return np.stack(planes, axis=-1).astype(np.uint8)


def crop_by_definition(image: np.ndarray, window: Window, size: int) -> np.ndarray:
    """Bilinear interpolation between pixel centres, pixel by pixel; mean colour beyond the border."""
    mean = image.reshape(-1, 3).mean(axis=0)

    def pixel(row: int, column: int) -> np.ndarray:
        inside = 0 <= row < image.shape[0] and 0 <= column < image.shape[1]
        return image[row, column].astype(float) if inside else mean

    out = np.empty((size, size, 3))
    for row in range(size):
        for column in range(size):
            x, y = window.to_image([column + 0.5, row + 0.5], size) - 0.5
            left, top = int(np.floor(x)), int(np.floor(y))
            fx, fy = x - left, y - top
            out[row, column] = (1 - fy) * ((1 - fx) * pixel(top, left) + fx * pixel(top, left + 1)) + fy * (
                (1 - fx) * pixel(top + 1, left) + fx * pixel(top + 1, left + 1)
            )
    return out


WINDOWS = [
    Window(32, 24, 20),
    Window(20.3, 17.8, 33.3),
    Window(0, 0, 40),
    Window(70, 50, 30),
    Window(33.5, 21.25, 90),
    Window(-200, -200, 50),
]


@pytest.mark.parametrize("window", WINDOWS)
def test_crops_equal_the_definition(window):
    image = smooth_image(48, 64)
    expected = crop_by_definition(image, window, 31)
    crop = Frame.upload(image, "cpu").crops([window], 31)[0].permute(1, 2, 0).numpy()
    # OpenCV interpolates in steps of 1/32 pixel and rounds to whole values.
    assert np.abs(crop - expected).max() <= 6
    assert np.abs(crop - expected).mean() <= 1


def test_both_samplers_agree():
    image = smooth_image(48, 64, seed=3)
    frame = Frame.upload(image, "cpu")
    host = frame.crops(WINDOWS, 33).float()
    regions = np.array([[w.centre_x, w.centre_y, w.size, w.size] for w in WINDOWS])
    device = frame._resample_on_device(torch.from_numpy(image), regions, 33)
    assert host.shape == device.shape == (len(WINDOWS), 3, 33, 33)
    assert (host - device).abs().mean() <= 1
    assert (host - device).abs().max() <= 7


def test_a_patch_is_the_square_crop_of_the_stretched_image():
    """A box of twice the height is a square in an image of twice the width."""
    image = smooth_image(48, 64, seed=5)
    wide = np.repeat(image, 2, axis=1)
    frame, stretched = Frame.upload(image, "cpu"), Frame.upload(wide, "cpu")
    boxes = np.array([[20.0, 8.0, 12.0, 24.0], [-3.0, 10.0, 15.0, 30.0]])
    expected = stretched.crops([Window(52, 20, 24), Window(9, 25, 30)], 24).float()
    patches = frame.patches(boxes, 24).float()
    assert patches.shape == (2, 3, 24, 24)
    assert (patches - expected).abs().mean() <= 2
    table = np.concatenate([boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:]], axis=1)
    device = frame._resample_on_device(torch.from_numpy(image), table, 24)
    assert (patches - device).abs().mean() <= 1


@settings(max_examples=40, deadline=None)
@given(st.floats(20, 44), st.floats(15, 33), st.floats(12, 60), st.integers(24, 96))
def test_a_spot_lands_where_the_mapping_says(x, y, side, size):
    """The centre of mass of a bright spot, found in the crop and mapped back, lies within half a pixel."""
    rows, columns = np.mgrid[:48, :64] + 0.5
    spot = 250 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 1.5**2))
    image = np.repeat(spot.astype(np.uint8)[..., None], 3, axis=2)
    window = Window(x + 1.7, y - 0.9, side)
    crop = Frame.upload(image, "cpu").crops([window], size)[0, 0].numpy()
    weights = np.where(crop > 40, crop, 0)
    places = np.mgrid[:size, :size] + 0.5
    centre = [(places[axis] * weights).sum() / weights.sum() for axis in (1, 0)]
    found = window.to_image(centre, size)
    assert np.abs(found - [x, y]).max() <= 0.5


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((0, 10, 3), np.uint8),
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((10, 10, 3), np.float32),
        "image.jpg",
        None,
    ],
)
def test_other_things_than_images_are_refused(image):
    with pytest.raises(ImageError):
        Frame.upload(image, "cpu")


@settings(max_examples=60, deadline=None)
@given(st.floats(-20, 84), st.floats(-20, 68), st.floats(2, 90), st.integers(8, 120))
def test_the_mean_colour_is_left_out_only_where_it_plays_no_part(x, y, side, size):
    """The same crop with a border colour that is given always."""
    image = smooth_image(48, 64, seed=6)
    frame, other = Frame.upload(image, "cpu"), Frame.upload(image, "cpu")
    other._are_inside = lambda regions: [False] * len(regions)
    window = [Window(x, y, side)]
    assert torch.equal(frame.crops(window, size), other.crops(window, size))
