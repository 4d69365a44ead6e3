"""Wide pictures keep their contrast, hold it steady, and flat ones are told of."""

from __future__ import annotations

import numpy as np
import pytest

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.pixels import Contrast, Stretch
from siam_tracker_core.pixels.reader import flatness

RNG = np.random.default_rng(0)
SCENE = RNG.integers(0, 256, (60, 80)).astype(np.float64)


@pytest.mark.parametrize(("low", "high"), [(0, 4095), (8000, 8255), (0, 65535)])
def test_the_same_scene_in_other_levels_is_the_same_picture(low: int, high: int) -> None:
    wide = np.round(low + SCENE / 255 * (high - low)).astype(np.uint16)
    got = Stretch()(wide).astype(float)
    # Half a percent is cut off at both ends, which stretches what is left by a hundredth.
    assert np.abs(got - SCENE).max() <= 4
    assert np.corrcoef(got.ravel(), SCENE.ravel())[0, 1] > 0.999


def test_percentiles_are_those_of_numpy() -> None:
    wide = RNG.integers(1000, 3000, (50, 50)).astype(np.uint16)
    stretch = Stretch(Contrast(percentile=2.0))
    stretch(wide)
    assert stretch.limits == pytest.approx(tuple(np.percentile(wide, (2, 98))))


def test_limits_follow_slowly_and_late_images_do_not_move_them() -> None:
    stretch = Stretch(Contrast(hold=0.9, percentile=0.0))
    wide = (1000 + SCENE * 4).astype(np.uint16)
    stretch(wide)
    before = stretch.limits
    assert before is not None
    stretch(wide + np.uint16(100), learn=False)
    assert stretch.limits == before
    stretch(wide + np.uint16(100))
    assert stretch.limits == pytest.approx((before[0] + 10, before[1] + 10))
    stretch(wide + np.uint16(30000))  # a new exposure altogether is taken at once
    assert stretch.limits == pytest.approx((before[0] + 30000, before[1] + 30000))


def test_noise_of_a_flat_picture_is_not_made_a_picture() -> None:
    flat = np.full((60, 80), 9000, np.uint16)
    assert flatness(np.repeat(Stretch()(flat)[..., None], 3, axis=2)).startswith("the picture is flat")
    scene = np.repeat(SCENE.astype(np.uint8)[..., None], 3, axis=2)
    assert flatness(scene) == ""
    assert "contrast" in flatness(scene // 200)


def test_nothing_finite_is_black() -> None:
    assert Stretch()(np.full((4, 4), np.nan, np.float32)).max() == 0


@pytest.mark.parametrize(
    "wrong", [{"low": 5.0, "high": 5.0}, {"percentile": 50.0}, {"hold": 1.0}, {"contrast": "auto"}]
)
def test_impossible_contrasts_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Contrast(**wrong)
