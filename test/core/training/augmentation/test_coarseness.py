"""Taking detail away from pairs."""

import cv2
import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from siam_tracker_core.training.augmentation.coarseness import Coarseness, coarsen


def test_reduced_pixels_are_means_of_what_they_cover():
    images = torch.rand(2, 3, 24, 36) * 255
    result = coarsen(images, [1.0, 4.0])
    torch.testing.assert_close(result[0], images[0])
    # Antialiased bilinear reduction weighs two neighbouring pixels' width with a triangle; of a ramp both are exact.
    ramp = torch.arange(36.0).expand(3, 24, 36)
    inner = coarsen(ramp[None], [4.0])[0, :, 8:-8, 8:-8]
    torch.testing.assert_close(inner, ramp[:, 8:-8, 8:-8])


def test_reducing_equals_pillows():
    image = np.random.default_rng(0).uniform(0, 255, (60, 90)).astype(np.float32)
    reduced = np.asarray(Image.fromarray(image).resize((30, 20), Image.Resampling.BILINEAR))
    expected = cv2.resize(reduced, (90, 60), interpolation=cv2.INTER_LINEAR)
    result = coarsen(torch.from_numpy(image)[None, None], [3.0])[0, 0].numpy()
    np.testing.assert_allclose(result, expected, atol=0.01)


@given(st.floats(1, 20), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_range_and_shape_stay(factor, seed):
    images = torch.rand(1, 3, 17, 31, generator=torch.Generator().manual_seed(seed)) * 255
    result = coarsen(images, [factor])
    assert result.shape == images.shape
    assert images.min() - 1e-3 <= result.min()
    assert result.max() <= images.max() + 1e-3


def test_factors_follow_share_and_limit():
    factors = torch.tensor(Coarseness(probability=0.3, max_factor=5.0).draw(20000, torch.Generator().manual_seed(0)))
    changed = factors[factors > 1]
    assert abs(len(changed) / len(factors) - 0.3) < 0.01
    assert changed.max() <= 5
    assert abs(changed.log().mean() - np.log(5) / 2) < 0.02
    assert Coarseness().draw(3, torch.Generator().manual_seed(0)) == [1.0, 1.0, 1.0]
