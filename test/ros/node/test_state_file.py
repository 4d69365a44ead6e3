"""Targets on disk and back, files that are no such thing, and exemplars that look the same to a tracker."""

from __future__ import annotations

import json
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from tracker_graph import Scene

from siam_tracker_core import Box
from siam_tracker_ros.node.exemplars import Exemplar
from siam_tracker_ros.node.state_file import SavedState, SavedTarget, StateFile, StateFileError


def saved(box: Box | None = None) -> SavedState:
    scene = Scene()
    exemplar = Exemplar.cut(scene.image(0), scene.box(0))
    return SavedState(time.time(), (320, 240), [SavedTarget(7, "cat", box or Box(90.5, 80, 48, 48), exemplar)])


def test_targets_come_back_as_they_were(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "state.json")
    assert file.load() is None
    state = saved()
    file.save(state)
    file.save(state)
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]
    back = StateFile(tmp_path / "state.json").load()
    assert back is not None
    assert (back.image_size, 0 <= back.age < 60) == ((320, 240), True)
    (target,) = back.targets
    assert (target.id, target.label, target.box) == (7, "cat", Box(90.5, 80, 48, 48))
    np.testing.assert_array_equal(target.exemplar.pixels, state.targets[0].exemplar.pixels)
    assert target.exemplar.box == state.targets[0].exemplar.box
    file.remove()
    assert file.load() is None


def test_what_cannot_be_written_leaves_the_old_state(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "none" / "state.json")
    with pytest.raises(StateFileError, match=r"cannot be saved in .*none/state.json: No such file"):
        file.save(saved())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("[]", "has version None"),
        ('{"version": 2}', "has version 2; this node reads 1"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"version": 1}', "is damaged"),
        ({"image_size": [0, 240]}, "its image size is 0x240"),
        ({"box": [1, 2, 0, 5]}, "is impossible"),
        ({"box": [1, 2, float("nan"), 5]}, "is impossible"),
        ({"exemplar": "AAAA"}, "cannot be decoded"),
        ({"exemplar": "?"}, "is damaged"),
    ],
)
def test_files_that_are_none_are_refused_in_words(tmp_path: Path, change: str | dict[str, object], words: str) -> None:
    path = tmp_path / "state.json"
    StateFile(path).save(saved())
    if isinstance(change, dict):
        content = json.loads(path.read_text())
        content.update({key: value for key, value in change.items() if key in content})
        content["targets"][0].update({key: value for key, value in change.items() if key not in content})
        change = json.dumps(content)
    path.write_text(change)
    with pytest.raises(StateFileError, match=r"state\.json") as refusal:
        StateFile(path).load()
    assert words in str(refusal.value)


def test_an_exemplar_placed_where_it_was_is_the_image_it_came_from() -> None:
    scene = Scene()
    exemplar = Exemplar.cut(scene.image(0), scene.box(0))
    image, box = exemplar.placed(scene.box(0), (320, 240))
    assert box == scene.box(0)
    x, y, right, bottom = 0, 0, 180, 190  # one and a half boxes around it, as far as the image goes
    np.testing.assert_array_equal(image[y:bottom, x:right], scene.image(0)[y:bottom, x:right])


def test_an_exemplar_can_be_placed_elsewhere_in_another_size_and_across_the_border() -> None:
    scene = Scene()
    exemplar = Exemplar.cut(scene.image(0), scene.box(0))
    image, box = exemplar.placed(Box(290, -20, 96, 96), (320, 240))
    assert image.shape == (240, 320, 3)
    assert box.to_array() == pytest.approx([290, -20, 96, 96], abs=1.0)
    target = scene.image(0)[70:118, 60:108]
    doubled = cv2.resize(target, (96, 96), interpolation=cv2.INTER_LINEAR)
    seen = image[0:76, 290:320].astype(int)
    assert np.abs(seen - doubled[20:96, 0:30]).mean() < 6


def test_a_large_exemplar_is_reduced() -> None:
    image = np.zeros((3000, 4000, 3), np.uint8)
    exemplar = Exemplar.cut(image, Box(1000, 1000, 900, 600))
    assert max(exemplar.pixels.shape) <= 512
    assert exemplar.box.width / exemplar.box.height == pytest.approx(1.5, rel=0.01)
