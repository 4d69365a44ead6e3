"""Batched augmentation against slow references that treat one sample at a time."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.training.augmentation.occlusion import BANK_SIZE, Occlusion, occlude, paste, read_bank
from siam_tracker_core.training.augmentation.views import Jitter, Photometry, Views, line_kernels, motion_blur, recolour

OFF = Photometry(brightness=0, contrast=0, tint=0, grey=0, blur=0)


def smooth_crops(count: int, side: int, seed: int = 0) -> torch.Tensor:
    """Pictures without fine detail, so that two kinds of bilinear interpolation agree to a grey level."""
    rng = np.random.default_rng(seed)
    noise = rng.uniform(0, 255, (count, side // 8, side // 8, 3)).astype(np.float32)
    large = [cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC) for image in noise]
    return torch.from_numpy(np.clip(np.stack(large), 0, 255).astype(np.uint8))


def some_views(count: int, seed: int = 0) -> Views:
    generator = torch.Generator().manual_seed(seed)
    flip = torch.rand(count, generator=generator) < 0.5
    return Views.draw(Jitter(shift=20.0, scale=0.15, stretch=0.1), flip, generator)


def test_views_equal_opencvs_affine_warps():
    crops, views, size = smooth_crops(6, 96), some_views(6), 72
    batch = views.resample(crops, size)
    for crop, view, shift, scale, flip in zip(crops.numpy(), batch, views.shift, views.scale, views.flip, strict=True):
        source = crop[:, ::-1] if flip else crop
        middle_in, middle_out = (96 - 1) / 2, (size - 1) / 2
        (sx, sy), (kx, ky) = shift.tolist(), scale.tolist()
        matrix = np.array([[kx, 0, middle_in + sx - kx * middle_out], [0, ky, middle_in + sy - ky * middle_out]])
        expected = cv2.warpAffine(
            source.astype(np.float32),
            matrix,
            (size, size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=source.reshape(-1, 3).mean(axis=0).tolist(),
        )
        np.testing.assert_allclose(view.permute(1, 2, 0).numpy(), expected, atol=2.5)


def test_views_reach_past_the_crop_with_its_mean_colour():
    crops = torch.full((1, 40, 40, 3), 10, dtype=torch.uint8)
    crops[:, :, 20:] = 30
    far = Views(torch.tensor([[100.0, 0.0]]), torch.ones(1, 2), torch.tensor([False]))
    torch.testing.assert_close(far.resample(crops, 20), torch.full((1, 3, 20, 20), 20.0))


@settings(max_examples=40, deadline=None)
@given(
    shift=st.tuples(st.floats(-15, 15), st.floats(-15, 15)),
    scale=st.tuples(st.floats(0.8, 1.25), st.floats(0.8, 1.25)),
    width=st.integers(10, 30),
    height=st.integers(10, 30),
    flip=st.booleans(),
)
def test_boxes_lie_on_what_they_frame(shift, scale, width, height, flip):
    """A white rectangle in the crop's middle; its moments in the view give centre and extent to sub-pixels."""
    side, size = 200, 100  # no view reaches past the crop
    crop = np.zeros((side, side, 3), np.uint8)
    width, height = 2 * (width // 2), 2 * (height // 2)  # so that the middle falls between pixels, as the crop's does
    crop[(side - height) // 2 : (side + height) // 2, (side - width) // 2 : (side + width) // 2] = 255
    views = Views(torch.tensor([shift]), torch.tensor([scale]), torch.tensor([flip]))
    box = views.boxes(torch.tensor([[float(width), float(height)]]))[0].numpy()
    view = views.resample(torch.from_numpy(crop)[None], size)[0, 0].numpy()
    mass = view - view.min()
    places = np.arange(size) + 0.5 - size / 2
    for axis, along in ((0, mass.sum(axis=0)), (1, mass.sum(axis=1))):
        centre = (along * places).sum() / along.sum()
        extent = along.sum() / mass.max() / (box[3 - axis] if axis == 0 else box[2])
        assert centre == pytest.approx(box[axis], abs=0.15)
        assert extent == pytest.approx(box[2 + axis], rel=0.06)


def test_views_repeat_from_their_seed():
    first, second = some_views(5, seed=3), some_views(5, seed=3)
    assert all(torch.equal(getattr(first, name), getattr(second, name)) for name in ("shift", "scale", "flip"))
    assert not torch.equal(first.shift, some_views(5, seed=4).shift)


def slow_kernel(length: float, angle: float, size: int) -> np.ndarray:
    """Points in equal steps along the line, each counted in the cell that it falls into."""
    kernel = np.zeros((size, size))
    for step in np.linspace(-0.5, 0.5, 2 * size, dtype=np.float32):
        row = int(np.clip(np.round(size // 2 + np.float32(step * length) * np.sin(angle)), 0, size - 1))
        column = int(np.clip(np.round(size // 2 + np.float32(step * length) * np.cos(angle)), 0, size - 1))
        kernel[row, column] += 1
    return kernel / kernel.sum()


def test_kernels_of_motion_blur_equal_points_along_a_line():
    rng = np.random.default_rng(0)
    lengths, angles = rng.uniform(2, 9, 20).astype(np.float32), rng.uniform(0, np.pi, 20).astype(np.float32)
    kernels = line_kernels(torch.from_numpy(lengths), torch.from_numpy(angles), 9)
    for kernel, length, angle in zip(kernels.numpy(), lengths, angles, strict=True):
        np.testing.assert_allclose(kernel, slow_kernel(length, angle, 9), atol=1e-6)


def test_motion_blur_equals_opencvs_filter():
    images = smooth_crops(4, 48).permute(0, 3, 1, 2).float()
    always = Photometry(blur=1.0, blur_length=7)
    blurred = motion_blur(images, always, torch.Generator().manual_seed(2))
    generator = torch.Generator().manual_seed(2)
    torch.rand(4, generator=generator)  # which are blurred: all
    lengths, angles = torch.rand(4, generator=generator) * 5 + 2, torch.rand(4, generator=generator) * torch.pi
    for image, result, kernel in zip(images, blurred, line_kernels(lengths, angles, 7), strict=True):
        expected = cv2.filter2D(image.permute(1, 2, 0).numpy(), -1, kernel.numpy(), borderType=cv2.BORDER_REPLICATE)
        np.testing.assert_allclose(result.permute(1, 2, 0).numpy(), expected, atol=1e-2)


def test_motion_blur_leaves_the_others_alone():
    images = smooth_crops(8, 32).permute(0, 3, 1, 2).float()
    blurred = motion_blur(images, Photometry(blur=0.5), torch.Generator().manual_seed(1))
    chosen = torch.rand(8, generator=torch.Generator().manual_seed(1)) < 0.5
    assert 0 < chosen.sum() < 8
    changed = (images != blurred).flatten(1).any(dim=1)
    assert torch.equal(changed, chosen)


def test_recolouring_repeats_and_stays_in_range():
    images = torch.rand(6, 3, 32, 32) * 255
    strong = Photometry(blur=0.9, grey=0.5)
    first, second = (recolour(images, strong, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.min() >= 0
    assert first.max() <= 255
    torch.testing.assert_close(recolour(images, OFF, torch.Generator()), images, atol=1e-3, rtol=0)


def made_bank(count: int = 3) -> torch.Tensor:
    """Discs of one colour each, opaque inside and fading at the rim."""
    rows, columns = np.mgrid[:BANK_SIZE, :BANK_SIZE] - (BANK_SIZE - 1) / 2
    alpha = np.clip(40 - np.hypot(rows, columns), 0, 8) / 8 * 255
    bank = np.zeros((count, BANK_SIZE, BANK_SIZE, 4), np.uint8)
    bank[..., 3] = alpha
    for number in range(count):
        bank[number, ..., number % 3] = 200
    return torch.from_numpy(bank)


def slow_paste(image: np.ndarray, thing: np.ndarray, centre: np.ndarray, side: float) -> np.ndarray:
    """The definition, pixel by pixel: bilinear samples of colour times alpha, and of alpha."""
    alpha = thing[..., 3:].astype(np.float64) / 255
    layers = np.concatenate((thing[..., :3] * alpha, alpha), axis=2)
    result = image.astype(np.float64).copy()
    extent = np.array([image.shape[1], image.shape[0]])
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            place = np.array([column, row]) + 0.5 - extent / 2 - centre
            x, y = place * (BANK_SIZE / side) + BANK_SIZE / 2 - 0.5
            left, top = int(np.floor(x)), int(np.floor(y))
            value = np.zeros(4)
            for dx in (0, 1):
                for dy in (0, 1):
                    if 0 <= left + dx < BANK_SIZE and 0 <= top + dy < BANK_SIZE:
                        share = (1 - abs(x - left - dx)) * (1 - abs(y - top - dy))
                        value += share * layers[top + dy, left + dx]
            result[row, column] = result[row, column] * (1 - value[3]) + value[:3]
    return result


def test_pasting_equals_its_definition():
    images = smooth_crops(3, 32, seed=1)
    centres = torch.tensor([[0.0, 0.0], [5.3, -7.1], [-14.0, 12.5]])
    sides = torch.tensor([20.0, 13.7, 31.0])
    batch = paste(images.permute(0, 3, 1, 2).float(), made_bank(), centres, sides)
    for image, thing, centre, side, result in zip(
        images.numpy(), made_bank().numpy(), centres.numpy(), sides.tolist(), batch, strict=True
    ):
        expected = slow_paste(image, thing, centre, side)
        np.testing.assert_allclose(result.permute(1, 2, 0).numpy(), expected, atol=0.05)


def occluded_places(boxes: torch.Tensor, chance: float, **options: float) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.full((len(boxes), 3, 120, 120), 100.0)
    result = occlude(images, boxes, made_bank(), chance, Occlusion(**options), torch.Generator().manual_seed(0))
    return result, (result != images).any(dim=1)


def test_occlusion_covers_its_share_of_the_targets_and_little_else():
    count = 200
    boxes = torch.tensor([[10.0, -15.0, 40.0, 24.0]]).repeat(count, 1)
    result, covered = occluded_places(boxes, 0.4, min_size=0.3, max_size=0.6)
    chosen = covered.flatten(1).any(dim=1)
    assert 0.3 < chosen.float().mean() < 0.5
    rows, columns = torch.nonzero(covered.any(dim=0)).T
    # No farther than half the largest object beyond the box, whose edges are at 50..90 and 33..57 of the image.
    reach = 0.6 * np.sqrt(40 * 24) / 2
    assert 50 - reach - 1 <= columns.min()
    assert columns.max() <= 90 + reach
    assert 33 - reach - 1 <= rows.min()
    assert rows.max() <= 57 + reach
    again, _ = occluded_places(boxes, 0.4, min_size=0.3, max_size=0.6)
    assert torch.equal(result, again)


def test_occlusion_needs_a_target():
    boxes = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 40.0, 40.0]])
    _, covered = occluded_places(boxes, 1.0)
    assert covered.flatten(1).any(dim=1).tolist() == [False, True]


def test_objects_of_a_folder_fill_their_squares(tmp_path):
    picture = np.zeros((120, 160, 4), np.uint8)
    picture[40:60, 30:110] = (10, 20, 200, 255)
    cv2.imwrite(str(tmp_path / "bar.png"), picture)
    cv2.imwrite(str(tmp_path / "plain.png"), picture[..., :3])
    bank = read_bank(tmp_path)
    assert bank.shape == (1, BANK_SIZE, BANK_SIZE, 4)
    solid = bank[0, ..., 3] == 255
    assert int(solid.sum()) == 96 * 24  # 80 by 20, enlarged until the longer side fills the square
    assert bank[0][solid].unique(dim=0).tolist() == [[10, 20, 200, 255]]


def test_folders_without_objects(tmp_path):
    with pytest.raises(DatasetError, match="no PNG file with alpha"):
        read_bank(tmp_path)
    with pytest.raises(DatasetError, match="not a folder"):
        read_bank(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="min_size is"):
        Occlusion(min_size=0.9, max_size=0.5)
