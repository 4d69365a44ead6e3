"""The public face: what an import costs, what is a box, what is an image, and a loop as other toolkits write it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import siam_tracker_core
from siam_tracker_core import Box, list_trackers, load_tracker
from siam_tracker_core.config import read_config
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import BoxError, ConfigError, WeightsError
from siam_tracker_core.trackers.siamfc import SiamFCConfig

HEAVY = ("sklearn", "scipy", "matplotlib", "pytorch_lightning", "rosbags", "pydantic", "yaml", "jsonargparse", "pandas")


def test_an_import_and_a_tracker_load_nothing_but_what_tracking_needs():
    """Pydantic and YAML come with a tracker; the libraries of training do not."""
    words = f"import sys, siam_tracker_core; print(*[name for name in {HEAVY} if name in sys.modules]); "
    words += "siam_tracker_core.load_tracker('siamrpn_mobilenetv2', 'cpu', runtime='torch'); "
    words += f"print(*[name for name in {HEAVY[:5]} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert loaded.stdout.splitlines() == ["", ""]


@pytest.mark.parametrize(
    "values",
    [
        [1, 2.5, 30, 40],
        (np.float32(1), np.float64(2.5), np.int64(30), np.uint8(40)),
        np.array([[1, 2.5, 30, 40]]),
        torch.tensor([1, 2.5, 30, 40], requires_grad=True),
        [torch.tensor(1.0), torch.tensor(2.5), 30, 40],
        Box(1, 2.5, 30, 40),
    ],
)
def test_whatever_holds_four_numbers_is_a_box(values):
    assert Box.from_array(values) == Box(1, 2.5, 30, 40)
    assert all(type(number) is float for number in Box.from_array(values))


@pytest.mark.parametrize("values", [[1, 2, 3], "1,2,3,4", [1, 2, 3, "four"], None, 5, [[1, 2], [3]]])
def test_what_holds_no_four_numbers_is_refused(values):
    with pytest.raises(BoxError, match="a box needs 4 numbers"):
        Box.from_array(values)


def test_a_box_unpacks_and_converts():
    x, y, width, height = Box(1, 2, 30, 40)
    assert (x, y, width, height) == (1, 2, 30, 40)
    np.testing.assert_array_equal(np.asarray(Box(1, 2, 30, 40)), [1.0, 2, 30, 40])
    assert np.asarray(Box(1, 2, 30, 40), dtype=np.float32).dtype == np.float32
    assert np.stack([Box(1, 2, 3, 4), Box(5, 6, 7, 8)]).shape == (2, 4)


def test_a_loop_as_got10k_has_it():
    """Pillow images, a box as an array, and rows of an array that take the results."""
    made = made_sequence(frames=4, size=(320, 240), seed=2)
    tracker = load_tracker("siamfc", device=torch.device("cpu"))
    boxes, same = np.zeros((4, 4)), np.zeros((4, 4))
    box = made.boxes[0]
    boxes[0] = same[0] = box
    for number, image in enumerate(made.frames):
        picture = Image.fromarray(image[..., ::-1])
        if number == 0:
            tracker.init(picture, box)
        else:
            boxes[number, :] = tracker.update(picture)
    tracker.init(made.frames[0], box)
    for number, image in enumerate(made.frames[1:], start=1):
        same[number] = tracker.update(image).box
    np.testing.assert_array_equal(boxes, same)
    assert np.abs(boxes - made.boxes).max() < 20


def test_trackers_are_listed_and_others_refused(tmp_path):
    assert "siamrpn_mobilenetv2" in list_trackers()
    assert list_trackers() == list(siam_tracker_core.list_trackers())
    (tmp_path / "model.pth").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"model\.pth is no weights file of this package"):
        load_tracker(tmp_path / "model.pth")
    (tmp_path / "model.pth").write_text("<!DOCTYPE html><html>quota exceeded</html>")
    with pytest.raises(WeightsError, match=r"model\.pth is a web page"):
        load_tracker(tmp_path / "model.pth")
    for device in ("gpu", torch.device("meta"), 3.5):
        with pytest.raises(ConfigError, match="is unknown"):
            load_tracker("siamfc", device=device)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"window_influence": "0.2"}, "window_influence: Input should be a valid number, got '0.2'"),
        ({"lost": {"enabled": "no"}}, r"lost\.enabled: .*boolean"),
        ({"scales": True}, "scales: .*integer"),
        ({"scales": 3.0}, "scales: .*integer"),
        ({"scales": 2}, "scales: 2 is even; give an odd number"),
        ({"context": 0.5}, "context is called context_amount now"),
        ({"lost": {"uncertain": 0.9}}, "for ever"),
    ],
)
def test_settings_are_taken_at_their_word(values, words):
    with pytest.raises(ConfigError, match=f"here: {words}" if "for ever" not in words else words):
        read_config(SiamFCConfig, values, "here")


def test_lists_and_whole_numbers_are_what_they_stand_for():
    config = read_config(SiamFCConfig, {"scale_limits": [0.5, 2], "window_influence": 1}, "here")
    assert (config.scale_limits, config.window_influence) == ((0.5, 2.0), 1.0)
