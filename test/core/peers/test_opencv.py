"""OpenCV's trackers behind our interface."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from siam_tracker_core.errors import BoxError, ConfigError, WeightsError
from siam_tracker_core.geometry import Box
from siam_tracker_core.peers import PeerResult, opencv
from siam_tracker_core.peers.opencv import OpenCVTracker

ROOT = Path(__file__).resolve().parents[3]
NANO = ROOT.parent / "shared" / "data" / "peers"


def picture(shift: int = 0) -> np.ndarray:
    """A bright blob of texture on a dim one, moved to the right."""
    generator = np.random.default_rng(0)
    background = cv2.resize(generator.integers(0, 90, (24, 32, 3), dtype=np.uint8), (320, 240))
    patch = cv2.resize(generator.integers(120, 255, (8, 8, 3), dtype=np.uint8), (48, 48))
    background[90:138, 120 + shift : 168 + shift] = patch
    return background


def needs(name: str) -> None:
    if not hasattr(cv2, f"{opencv._CLASSES[name]}_create"):
        pytest.skip(f"this OpenCV has no {name}")
    if name == "nano" and not (NANO / opencv.NANO_FILES[1]).is_file():
        pytest.skip("NanoTrack's ONNX files are not here")


def follow(name: str) -> PeerResult:
    """What a peer says at the end of a way of 30 pixels; a box that stayed would overlap by 0.23."""
    tracker = OpenCVTracker(name, [NANO])
    tracker.init(picture(), Box(120.2, 89.7, 48.3, 48.1))
    for shift in range(3, 31, 3):
        result = tracker.update(picture(shift))
    return result


@pytest.mark.parametrize("name", opencv.NAMES)
def test_a_peer_follows_a_moving_patch(name: str) -> None:
    needs(name)
    target = Box(150, 90, 48, 48)
    # MIL draws its samples at random and takes no seed; one way in seven goes astray.
    results = [follow(name) for _ in range(6 if name == "mil" else 1)]
    result = max(results, key=lambda found: found.box.iou(target))
    assert result.box.iou(target) > 0.5
    assert result.state == "tracking"
    assert result.score is None or 0 <= result.score <= 1


def test_a_lost_peer_keeps_its_last_box() -> None:
    needs("kcf")
    tracker = OpenCVTracker("kcf")
    tracker.init(picture(), Box(120, 90, 48, 48))
    tracker.update(picture())
    noise = np.random.default_rng(1).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    result = tracker.update(noise)
    assert result.state == "lost"
    assert result.box.iou(Box(120, 90, 48, 48)) > 0.9


@pytest.mark.parametrize("box", [Box(300, 220, 40, 40), Box(-10, -5, 30, 30), Box(319, 100, 30, 30), Box(5, 5, 1, 1)])
def test_a_box_over_the_border_is_cut_to_whole_pixels_inside(box: Box) -> None:
    x, y, width, height = opencv._whole_pixels(box, 320, 240)
    assert 0 <= x < x + width <= 320
    assert 0 <= y < y + height <= 240


def test_update_before_init_is_refused() -> None:
    needs("mil")
    with pytest.raises(RuntimeError, match="before init"):
        OpenCVTracker("mil").update(picture())


def test_an_impossible_box_is_refused() -> None:
    needs("mil")
    with pytest.raises(BoxError, match="outside"):
        OpenCVTracker("mil").init(picture(), Box(400, 0, 10, 10))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="kcf, csrt, mil, nano"):
        OpenCVTracker("boosting")


def test_an_opencv_without_contrib_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "TrackerKCF_create", raising=False)
    with pytest.raises(ConfigError, match=r"has no TrackerKCF.*opencv-contrib-python-headless"):
        OpenCVTracker("kcf")


def test_missing_nano_files_are_named(tmp_path: Path) -> None:
    needs("mil")
    with pytest.raises(WeightsError, match=r"nanotrackv2_backbone\.onnx, which does not exist.*--peer_models"):
        OpenCVTracker("nano", [tmp_path])


def test_damaged_nano_files_are_an_error_of_their_own(tmp_path: Path) -> None:
    for name in opencv.NANO_FILES:
        (tmp_path / name).write_bytes(b"no model")
    tracker = OpenCVTracker("nano", [tmp_path])
    assert set(tracker.weights_hashes) == set(opencv.NANO_FILES)
    with pytest.raises(WeightsError, match="cannot load the nano tracker"):
        tracker.init(picture(), Box(120, 90, 48, 48))
