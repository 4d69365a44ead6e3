"""``siam-tracker label`` on made videos: what it writes, where it goes on, and what it says of bad input."""

from __future__ import annotations

import csv
import errno
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from siam_tracker_core.commands import label as command
from siam_tracker_core.commands.label import _starts, label
from siam_tracker_core.commands.prepare import prepare
from siam_tracker_core.datasets import read_sequence
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.geometry import iou
from siam_tracker_core.labelling import job, motion
from siam_tracker_core.labelling.footage import Footage, read_footage
from siam_tracker_core.labelling.starts import read_starts

TRACKER = {"tracker": "siamrpn_mobilenetv2", "shortest": 5}


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two made sequences with their truth."""
    root = tmp_path_factory.mktemp("truth")
    for seed in (3, 4):
        made_sequence(frames=14, size=(320, 240), seed=seed).write_otb_form(root / f"made{seed}")
    return root


@pytest.fixture(scope="module")
def source(truth: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without truth: a folder of images and a video."""
    root = tmp_path_factory.mktemp("source")
    shutil.copytree(truth / "made3" / "img", root / "made3")
    video = cv2.VideoWriter(str(root / "made4.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 30, (320, 240))
    for image in sorted((truth / "made4" / "img").iterdir()):
        video.write(cv2.imread(str(image)))
    video.release()
    return root


@pytest.fixture(scope="module")
def labelled(source: Path, truth: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "labels"
    label(source, out, boxes="truth", truth=truth, **TRACKER)
    return out


def test_labels_lie_on_the_truth_and_say_how_sure_they_are(labelled: Path, truth: Path) -> None:
    for name in ("made3", "made4"):
        found, real = read_sequence(labelled / f"{name}.1"), read_sequence(truth / name)
        with (labelled / f"{name}.1" / "quality.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        frames = [int(row["frame"]) for row in rows]
        kept = np.array([row["kept"] == "yes" for row in rows])
        assert [row["image"] for row in rows] == [path.name for path in found.frames]
        assert np.isnan(found.boxes).any(axis=1).tolist() == (~kept).tolist()
        assert kept.sum() >= 5
        assert np.nanmean(iou(found.boxes[kept], real.boxes[frames][kept])) > 0.6
        assert all(0.6 <= float(row["overlap"]) <= 1 for row in rows if row["kept"] == "yes")
        image = real.image(frames[0]).astype(int)
        assert np.abs(found.image(0).astype(int) - image).mean() < 6  # the right frame, but for compression


def test_prepare_takes_labels_and_the_page_shows_them(labelled: Path, tmp_path: Path) -> None:
    prepare("folder", labelled, tmp_path / "shards", jobs=1)
    assert (tmp_path / "shards" / "index.json").is_file()
    page = (labelled / "contact_sheet.html").read_text()
    assert all(f'src="sheets/made{seed}.1.jpg"' in page for seed in (3, 4))
    assert cv2.imread(str(labelled / "sheets" / "made3.1.jpg")).shape[0] == 144
    assert not (labelled / ".frames").exists()


def test_a_second_call_goes_on_where_the_first_stopped(
    labelled: Path, source: Path, truth: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "labels"
    shutil.copytree(labelled, out)
    (out / ".done" / "made4.json").unlink()
    done: list[str] = []
    whole = job.label_video
    monkeypatch.setattr(command, "label_video", lambda task: (done.append(task.video.name), whole(task))[1])
    label(source, out, boxes="truth", truth=truth, **TRACKER)
    assert done == ["made4.avi"]
    assert json.loads((out / "report.json").read_text()) == json.loads((labelled / "report.json").read_text())
    with pytest.raises(ConfigError, match=r"begun with other arguments: agreement is 0.7, was 0.6"):
        label(source, out, boxes="truth", truth=truth, agreement=0.7, **TRACKER)


def test_a_full_disk_keeps_what_is_finished(
    source: Path, truth: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = job.write_track

    def full(folder: Path, *rest: object) -> None:
        if folder.name.startswith("made4"):
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(folder, *rest)

    monkeypatch.setattr(job, "write_track", full)
    out = tmp_path / "labels"
    with pytest.raises(DatasetError, match=r"No space left on device; the 1 videos that are finished stay: make room"):
        label(source, out, boxes="truth", truth=truth, **TRACKER)
    assert read_sequence(out / "made3.1").frames
    monkeypatch.undo()
    label(source, out, boxes="truth", truth=truth, **TRACKER)
    assert read_sequence(out / "made4.1").frames


def test_what_cannot_be_labelled_is_told_in_a_sentence_each(
    truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "videos"
    shutil.copytree(truth / "made3" / "img", root / "good")
    shutil.copytree(truth / "made3" / "img", root / "late")
    (root / "broken.mp4").write_bytes(b"no video")
    (root / "short").mkdir()
    for image in sorted((truth / "made3" / "img").iterdir())[:6]:
        shutil.copy(image, root / "short")
    first = (truth / "made3" / "groundtruth_rect.txt").read_text().split()[0]
    boxes = tmp_path / "boxes.csv"
    rows = [("good", 0), ("late", 99), ("broken", 0), ("short", 0)]
    boxes.write_text("clip,frame,x,y,width,height\n" + "".join(f"{name},{frame},{first}\n" for name, frame in rows))
    label(root, tmp_path / "out", boxes=str(boxes), **TRACKER)
    told = capsys.readouterr().out
    assert "broken.mp4 cannot be opened as a video" in told
    assert "a start box is for frame 99, but the video has 14 frames, counted from 0" in told
    assert "too short: 6 frames of at least 10" in told
    assert read_sequence(tmp_path / "out" / "good.1").frames
    assert not (tmp_path / "out" / ".done" / "broken.json").exists()  # it is tried again once it is repaired


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,frame,x,y\nmade3,0,1,1\n", r"needs the columns video,frame,x,y,width,height"),
        ("video,frame,x,y,width,height\nmade3,0,1,a,5,5\n", r"line 2: expected numbers"),
        ("video,frame,x,y,width,height\nmade3,0.5,1,1,5,5\n", r"line 2: expected numbers"),
        ("video,frame,x,y,width,height\nmade3,0,1,1,5,0\n", r"line 2: the frame is below 0 or the box is empty"),
        ("", r"it has none"),
    ],
)
def test_a_file_of_boxes_that_is_not_right_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_starts(path)


def test_a_video_is_named_with_or_without_its_ending(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text("video,frame,x,y,width,height\na.mp4,0,1,1,5,5\na,7,1,1,5,5\nb.c,0,1,1,5,5\n")
    (tmp_path / "b.c").mkdir()
    starts = _starts(str(path), [tmp_path / "a.mp4", tmp_path / "b.c"], False, None)
    assert {name: sorted(each.frame for each in found or ()) for name, found in starts.items()} == {
        "a": [0, 7],
        "b.c": [0],
    }


def test_a_disc_that_moves_before_a_moving_camera_is_proposed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ground = cv2.resize(rng.integers(0, 255, (60, 90, 3), dtype=np.uint8), (720, 480), interpolation=cv2.INTER_CUBIC)
    texture = cv2.resize(rng.integers(0, 255, (9, 9, 3), dtype=np.uint8), (60, 60))
    for index in range(16):
        image = ground[40 + index : 280 + index, 60 + index : 380 + index].copy()
        x = 80 + 5 * index
        image[90:150, x : x + 60] = texture
        cv2.imwrite(str(tmp_path / f"{index:02d}.png"), image)
    starts = motion.moving_regions(read_footage(tmp_path, tmp_path / "none"), every=30)
    assert starts
    best = max(starts, key=lambda start: start.score)
    assert float(iou(best.box.to_array(), [80 + 5 * best.frame, 90, 60, 60])) > 0.5


def test_a_still_scene_proposes_nothing(tmp_path: Path) -> None:
    image = cv2.resize(np.random.default_rng(1).integers(0, 255, (30, 40, 3), dtype=np.uint8), (320, 240))
    cv2.imwrite(str(tmp_path / "0.png"), image)
    assert motion.moving_regions(Footage((tmp_path / "0.png",) * 20), every=30) == []
