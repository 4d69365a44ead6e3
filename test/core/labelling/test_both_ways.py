"""What both ways agree on is kept: trackers that go astray in known ways, on frames that only tell their number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siam_tracker_core.geometry import Box
from siam_tracker_core.labelling import both_ways
from siam_tracker_core.labelling.both_ways import DISAGREE, UNSURE, Pair, label_both_ways
from siam_tracker_core.labelling.settings import LabelSettings
from siam_tracker_core.labelling.starts import Start
from siam_tracker_core.peers import PeerResult

SETTINGS = LabelSettings(agreement=0.6, stretch=8)


class Numbered:
    """Footage whose frame i is an image with the value i."""

    def __init__(self, count: int) -> None:
        self.frames = tuple(Path(f"{index}.jpg") for index in range(count))

    def __len__(self) -> int:
        return len(self.frames)

    def image(self, index: int) -> np.ndarray:
        return np.full((200, 400, 3), index, np.uint8)


def target(frame: int) -> Box:
    return Box(10 + 6 * frame, 20, 40, 30)


class Scripted:
    """Goes with the target, but from ``astray`` on it stays where it is; LOST in the frames ``lost``."""

    def __init__(
        self, astray: int = 10_000, lost: tuple[int, ...] = (), scores: dict[int, float] | None = None
    ) -> None:
        self.astray, self.lost, self.scores = astray, lost, scores or {}

    def init(self, image: np.ndarray, box: Box) -> None:
        self.offset = np.array(box.to_array()) - target(int(image[0, 0, 0])).to_array()
        self.stuck: Box | None = None

    def update(self, image: np.ndarray) -> PeerResult:
        frame = int(image[0, 0, 0])
        box = Box.from_array(target(frame).to_array() + self.offset)
        if frame >= self.astray and self.stuck is None:
            self.stuck = box
        state = "lost" if frame in self.lost else "tracking"
        return PeerResult(self.stuck or box, self.scores.get(frame, 0.9), state)


def test_a_target_that_is_followed_rightly_is_labelled_in_every_frame() -> None:
    labels = label_both_ways(Numbered(30), Start(11, target(11)), Pair(Scripted(), Scripted()), SETTINGS)
    assert sorted(labels) == list(range(30))
    assert all(label.kept and label.box.iou(target(frame)) > 0.99 for frame, label in labels.items())


def test_where_it_goes_astray_the_track_ends() -> None:
    """From frame 20 on the box stays; the way back from there goes on with the error, and does not come home."""
    labels = label_both_ways(Numbered(60), Start(0, target(0)), Pair(Scripted(astray=20), Scripted()), SETTINGS)
    # The stretch from 16 to 24 does not come home, but its first half does.
    assert [frame for frame, label in labels.items() if label.kept] == list(range(21))
    assert {label.reason for label in labels.values() if not label.kept} == {DISAGREE}


def test_frames_where_it_is_lost_have_no_label_and_the_track_ends_with_its_stretch() -> None:
    lost = tuple(range(13, 60))
    labels = label_both_ways(Numbered(60), Start(0, target(0)), Pair(Scripted(lost=lost), Scripted()), SETTINGS)
    assert [frame for frame, label in labels.items() if label.kept] == list(range(13))
    assert {labels[frame].reason for frame in (13, 15, 16)} == {UNSURE}


def test_a_low_score_either_way_leaves_its_frame_out() -> None:
    pair = Pair(Scripted(scores={3: 0.1}), Scripted(scores={5: 0.2}))
    labels = label_both_ways(Numbered(9), Start(0, target(0)), pair, SETTINGS)
    assert {frame: label.reason for frame, label in labels.items() if not label.kept} == {3: UNSURE, 5: UNSURE}


def test_the_label_is_the_mean_of_both_ways() -> None:
    class Off(Scripted):
        def update(self, image: np.ndarray) -> PeerResult:
            box = super().update(image).box
            return PeerResult(Box(box.x + 4, box.y, box.width, box.height), 0.5)

    labels = label_both_ways(Numbered(9), Start(0, target(0)), Pair(Scripted(), Off()), SETTINGS)
    assert labels[4].box == Box(36, 20, 40, 30)
    assert labels[4].overlap == pytest.approx(36 / 44)
    assert labels[4].score == 0.5


def test_a_tracker_without_an_answer_is_not_sure() -> None:
    assert not both_ways._answer(None, SETTINGS).sure
