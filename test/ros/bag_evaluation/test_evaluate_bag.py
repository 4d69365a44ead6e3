"""Bags through the real node over real DDS: both modes, a running node, real footage, and what can go wrong."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_bag import FRAMES, read_tracks, sentence, write_bag

from siam_tracker_core import load_tracker
from siam_tracker_core.bags import BagReader, write_sequence_bag
from siam_tracker_core.datasets import read_sequence
from siam_tracker_core.datasets.made import MadeSequence
from siam_tracker_core.weights import sha256
from siam_tracker_core.zoo import find_weights
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER
from siam_tracker_ros.bag_evaluation import evaluate_bag


@dataclass
class Evaluated:
    """An evaluation of the made bag: its folder, and what was printed."""

    out: Path
    printed: str


@pytest.fixture(scope="module")
def evaluated(bag: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    out, printed = tmp_path_factory.mktemp("evaluated") / "out", io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert evaluate_bag.main([str(bag), "--out", str(out), "--device", "cpu", "--overlay"]) == 0
    return Evaluated(out, printed.getvalue())


def test_every_frame(made: MadeSequence, bag: Path, evaluated: Evaluated) -> None:
    out = evaluated.out
    scores = json.loads((out / "scores.json").read_text())
    assert scores["frames"] == FRAMES
    assert scores["frames_missed"] == 0
    assert scores["mode"] == "every_frame"
    assert 0.4 < scores["success_auc"] <= 20 / 21
    assert scores["latency_ms"]["p95"] >= scores["latency_ms"]["p50"] > 0
    rows = read_tracks(out)
    with BagReader(bag) as reader:
        stamps = [f"{stamp // 10**9}.{stamp % 10**9:09d}" for stamp in reader.stamps.tolist()]
    assert [row["stamp"] for row in rows] == stamps
    assert all(row["state"] in {"tracking", "uncertain", "lost"} and row["width"] for row in rows)
    first = [float(rows[0][key]) for key in ("x", "y", "width", "height")]
    np.testing.assert_allclose(first, made.boxes[0], atol=1e-3)
    video = cv2.VideoCapture(str(out / "overlay.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES
    page = (out / "report.html").read_text()
    assert "data:image/jpeg" in page, "the film strip is missing"
    assert sha256(find_weights(DEFAULT_TRACKER)) in page, "as in the reports of siam-tracker evaluate"
    assert "Hyper-parameters tuned on" in page
    assert "success (AUC)" in evaluated.printed


def test_the_node_gives_the_trackers_own_boxes(made: MadeSequence, evaluated: Evaluated) -> None:
    """In lock step nothing between the bag and the scores may change a box.

    Both processes choose a runtime, and one of them may compute in bfloat16: a sixth of a pixel was seen.
    """
    tracker = load_tracker(DEFAULT_TRACKER, device="cpu")
    tracker.init(made.frames[0], made.boxes[0])
    own = [tracker.update(frame).box.to_array() for frame in made.frames[1:]]
    through = [[float(row[key]) for key in ("x", "y", "width", "height")] for row in read_tracks(evaluated.out)]
    np.testing.assert_allclose(through[1:], own, atol=0.5)


def test_real_time_over_compressed_images(made: MadeSequence, tmp_path: Path) -> None:
    bag = write_bag(made, tmp_path / "bag", storage="sqlite3", compressed="jpeg")
    out = tmp_path / "out"
    assert evaluate_bag.main([str(bag), "--out", str(out), "--device", "cpu", "--mode", "real_time"]) == 0
    scores = json.loads((out / "scores.json").read_text())
    rows = read_tracks(out)
    missed = [int(row["missed"]) for row in rows]
    assert scores["frames_missed"] == sum(missed)
    assert missed[0] == 0
    assert all(row["width"] for row in rows), "a missed frame repeats the last known box"
    assert all(not row["state"] for row, late in zip(rows, missed, strict=True) if late)


@pytest.mark.slow
def test_a_target_that_comes_later_is_shown_when_it_comes(made: MadeSequence, tmp_path: Path) -> None:
    boxes = made.boxes.copy()
    boxes[:4] = np.nan
    bag = write_sequence_bag(tmp_path / "bag", made.frames[:8], boxes[:8], 30.0, progress=False)
    assert evaluate_bag.main([str(bag), "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0
    rows = read_tracks(tmp_path / "out")
    assert [bool(row["width"]) for row in rows] == [False] * 4 + [True] * 4


def test_crossing(shared_data: Path, tmp_path: Path) -> None:
    sequence = read_sequence(shared_data / "test" / "Crossing").head(40)
    images = (sequence.image(index) for index in range(len(sequence)))
    bag = write_sequence_bag(tmp_path / "bag", images, sequence.boxes, 30.0, progress=False)
    assert evaluate_bag.main([str(bag), "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert scores["frames"] == 40
    assert scores["success_auc"] > 0.3


def test_a_wrong_bag_or_ground_truth_is_one_sentence(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "out")]
    assert evaluate_bag.main([str(tmp_path / "none"), *out]) == 1
    assert "none does not exist; expected a rosbag2 folder" in sentence(capsys)
    assert evaluate_bag.main([str(bag), *out, "--image-topic", "/camera"]) == 1
    assert "the bag's image topics are: /camera/image_raw" in sentence(capsys)
    (tmp_path / "boxes.txt").write_text("1,1,5,5\n")
    assert evaluate_bag.main([str(bag), *out, "--groundtruth", str(tmp_path / "boxes.txt")]) == 1
    assert f"has {FRAMES} images on /camera/image_raw but" in sentence(capsys)
    assert evaluate_bag.main([str(bag), *out, "--weights", str(tmp_path / "w.safetensors")]) == 1
    assert "w.safetensors does not exist" in sentence(capsys)
