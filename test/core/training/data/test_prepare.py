"""``siam-tracker prepare``: what is kept, what the crops show, and what is refused."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from jsonargparse import auto_cli
from made_prepared import contents, everything, write_sequence

from siam_tracker_core.commands.prepare import prepare
from siam_tracker_core.datasets.images import is_truncated
from siam_tracker_core.datasets.registry import DATA_SETS
from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.geometry import context_size
from siam_tracker_core.training.data.crop_store import decode
from siam_tracker_core.training.data.cutting import Cutter
from siam_tracker_core.training.data.filters import CropFilter
from siam_tracker_core.training.data.plan import LeftOut, Preparation, plan
from siam_tracker_core.training.data.prepared_set import open_prepared, read_index
from siam_tracker_core.training.data.shards import SetInfo, read_shard


def test_what_is_kept_and_what_is_counted(videos, tmp_path, capsys):
    prepare("folder", videos, tmp_path / "out", jobs=1)
    tracks = {track.track: track for track in everything(tmp_path / "out")}
    assert sorted(tracks) == ["a", "b"]
    assert tracks["a"].frames.tolist() == list(range(7))
    assert tracks["b"].frames.tolist() == [0, 1, 3, 4]
    index = read_index(tmp_path / "out")
    assert (index["tracks"], index["samples"], index["frames"]) == (2, 2, 11)
    left = index["left_out"]
    assert left["frames"]["side under 12 pixels"] == {"count": 5, "named": ["b:2", "c:0", "c:1", "c:2", "c:3"]}
    assert left["tracks"]["side under 12 pixels"] == {"count": 1, "named": ["c"]}
    printed = capsys.readouterr().out
    assert "| kept                 |      2 |     11 |" in printed
    assert "| side under 12 pixels |      1 |      5 |" in printed


def test_the_target_lies_in_the_middle_at_its_scale(videos, tmp_path):
    """Measured on the pixels of the crops: the rectangle is where the sizes say, its context square of 127 pixels."""
    prepare("folder", videos, tmp_path / "out", jobs=1, crop_size=288)
    for track in everything(tmp_path / "out"):
        for image, (width, height) in zip(track.images, track.sizes, strict=True):
            assert context_size(width, height) == pytest.approx(127, abs=0.01)
            white = decode(image, 288, "test").min(axis=2) > 150
            for axis, extent in ((0, width), (1, height)):
                inside = np.flatnonzero(white.mean(axis=axis) > 0.05)
                assert inside[0] == pytest.approx(144 - extent / 2, abs=1.5)
                assert inside[-1] + 1 == pytest.approx(144 + extent / 2, abs=1.5)


def test_long_tracks_are_cut_into_equal_stretches(videos, tmp_path):
    prepare("folder", videos, tmp_path / "out", jobs=1, longest=3, every=2)
    stretches = sorted(
        (track.track, track.part, track.parts, track.frames.tolist()) for track in everything(tmp_path / "out")
    )
    assert stretches == [("a", 0, 2, [0, 2]), ("a", 1, 2, [4, 6]), ("b", 0, 1, [0, 4])]
    assert open_prepared(tmp_path / "out").info.every == 2


def test_long_tracks_can_be_spread_over_samples(videos, tmp_path):
    prepare("folder", videos, tmp_path / "out", jobs=1, longest=5, spread=True)
    prepared = open_prepared(tmp_path / "out")
    assert prepared.info.rate == 30.0
    by_track = {}
    for shard in prepared.shards:
        for crops in read_shard(prepared.info, shard.file, range(len(shard))):
            by_track.setdefault(crops.track, []).append(crops.frames.tolist())
    for pieces in by_track.values():
        whole = sorted(frame for piece in pieces for frame in piece)
        count = -(-len(whole) // 5)
        assert sorted(pieces) == [whole[number::count] for number in range(count)]


def test_content_does_not_depend_on_the_number_of_processes(videos, tmp_path):
    for jobs in (1, 2):
        prepare("folder", videos, tmp_path / str(jobs), jobs=jobs, shard_size=4, longest=2)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    assert len(open_prepared(tmp_path / "1").shards) == 3


def test_broken_images_are_skipped_counted_and_named(videos, tmp_path, capsys):
    image = cv2.imread(str(videos / "a" / "img" / "0001.png"))
    jpeg = cv2.imencode(".jpg", image)[1].tobytes()
    for number in range(3):
        (videos / "a" / "img" / f"000{number}.png").unlink()
    (videos / "a" / "img" / "0000.jpg").write_bytes(jpeg)
    (videos / "a" / "img" / "0001.jpg").write_bytes(jpeg[: len(jpeg) // 2])  # OpenCV reads it, half grey
    (videos / "a" / "img" / "0002.jpg").symlink_to("nowhere.jpg")
    prepare("folder", videos, tmp_path / "out", jobs=1)
    tracks = {track.track: track for track in everything(tmp_path / "out")}
    assert tracks["a"].frames.tolist() == [0, 3, 4, 5, 6]
    unreadable = read_index(tmp_path / "out")["left_out"]["frames"]["image cannot be read"]
    assert unreadable["count"] == 2
    printed = capsys.readouterr().out
    assert "0001.jpg" in printed
    assert "0002.jpg" in printed
    assert not is_truncated(videos / "a" / "img" / "0000.jpg")


@pytest.fixture
def stills(tmp_path):
    """A photograph with three objects and one without any that can be used, in COCO's form."""
    root = tmp_path / "stills"
    (root / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(2):
        cv2.imwrite(str(root / "images" / f"{number}.png"), rng.integers(0, 255, (200, 260, 3)).astype(np.uint8))
    boxes = [(0, 50, 60, 40, 30), (0, 10, 20, 60, 50), (0, 120, 90, 5, 5), (1, 0, 0, 260, 200)]
    content = {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 260, "height": 200} for n in range(2)],
        "annotations": [
            {"id": n, "image_id": image, "bbox": box, "iscrowd": 0, "category_id": 1}
            for n, (image, *box) in enumerate(boxes)
        ],
        "categories": [{"id": 1, "name": "thing"}],
    }
    (root / "instances.json").write_text(json.dumps(content))
    return root


def test_each_target_of_a_still_is_a_track_of_one_frame(stills, tmp_path):
    prepare("stills", stills, tmp_path / "out", jobs=1)
    tracks = everything(tmp_path / "out")
    assert [(track.video, track.track, len(track)) for track in tracks] == [
        ("images/0.png", "images/0.png#0", 1),
        ("images/0.png", "images/0.png#1", 1),
    ]
    frames = read_index(tmp_path / "out")["left_out"]["frames"]
    assert {reason: entry["named"] for reason, entry in frames.items()} == {
        "side under 12 pixels": ["images/0.png#2:0"],
        "box over 0.75 of the image": ["images/1.png#0:0"],
    }


def test_photographs_give_random_windows_that_stay_inside(tmp_path):
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    for number in range(4):
        image = np.full((120, 200, 3), 200, np.uint8)
        image[:, :100] = 100  # where the window lies shows in the picture
        cv2.imwrite(str(tmp_path / "photos" / "deep" / f"{number}.png"), image)
    for seed in (0, 1):
        prepare("photographs", tmp_path / "photos", tmp_path / f"out{seed}", jobs=1, windows=3, seed=seed)
    first, second = ({t.track: t for t in everything(tmp_path / f"out{seed}")} for seed in (0, 1))
    assert len(first) == 12
    assert (first["deep/0.png#2"].sizes == 0).all()
    assert len({track.images for track in first.values()}) > 6
    assert any(first[name].images != second[name].images for name in first)
    for track in first.values():
        assert decode(track.images[0], 320, "test").min() > 80  # no border, which would show the mean of 150 at worst
    assert open_prepared(tmp_path / "out0").info.kind == "photographs"


@dataclass(frozen=True)
class Painted(Sequence):
    """A sequence whose pictures are made when they are asked for, as those of composed clips."""

    def image(self, index):
        return np.full((100, 100, 3), 10 * int(self.boxes[index, 0]), np.uint8)


def test_sequences_that_make_their_own_pictures(tmp_path):
    boxes = np.array([[x, 40, 20, 20] for x in (4, 8, 12)], dtype=np.float64)
    sequence = Painted("7/disc", (tmp_path / "same.jpg",) * 3, boxes)
    settings = Preparation(longest=2)
    chunks = plan([sequence], "video", tmp_path, settings, LeftOut())
    cutter = Cutter(SetInfo("", "composed", "video", 320, 1), settings)
    samples = sorted(
        cutter.samples(piece for chunk in chunks for work in chunk.work for piece in work.pieces()),
        key=lambda s: s.part,
    )
    assert [(sample.video, sample.track, sample.frames.tolist()) for sample in samples] == [
        ("7", "7/disc", [0, 1]),
        ("7", "7/disc", [2]),
    ]
    shades = [decode(image, 320, "test")[160, 160, 0] for sample in samples for image in sample.images]
    assert shades == pytest.approx([40, 80, 120], abs=2)


def test_what_cannot_be_prepared(videos, tmp_path):
    with pytest.raises(ConfigError, match="give --root"):
        prepare("folder")
    with pytest.raises(DatasetError, match="no data set 'nothing'"):
        prepare("nothing", videos)
    with pytest.raises(DatasetError, match="is not a folder"):
        prepare("folder", tmp_path / "nowhere", tmp_path / "x")
    with pytest.raises(ConfigError, match="crop_size"):
        prepare("folder", videos, tmp_path / "x", crop_size=64)
    with pytest.raises(ConfigError, match="jobs is 0"):
        prepare("folder", videos, tmp_path / "x", jobs=0)
    write_sequence(tmp_path / "none" / "a", [(60, 40, 20, 20)] * 9)
    with pytest.raises(DatasetError, match=r"nothing of folder .* is left to train on: 9 left out: side under 30"):
        prepare("folder", tmp_path / "none", tmp_path / "y", jobs=1, filters=CropFilter(least_side=30))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="holds no image"):
        prepare("photographs", tmp_path / "empty", tmp_path / "z", jobs=1)
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="cannot be written"):
        prepare("folder", videos, tmp_path / "file" / "out", jobs=1)


@pytest.mark.parametrize(("name", "split"), [("lasot", "test"), ("got10k", "test"), ("vot", None)])
def test_test_data_are_refused(name, split, tmp_path):
    with pytest.raises(DatasetError, match="test set"):
        prepare(name, tmp_path, tmp_path / "out", split=split)
    assert not (tmp_path / "out").exists()


def test_command_line(videos, tmp_path, monkeypatch):
    options = [
        "folder",
        "--root",
        str(videos),
        "--out",
        str(tmp_path / "out"),
        "--jobs",
        "1",
        "--filters.least_side",
        "4",
    ]
    auto_cli(prepare, args=options, as_positional=True)
    assert read_index(tmp_path / "out")["tracks"] == 3


def test_help_names_all_data_sets(capsys):
    with pytest.raises(SystemExit):
        auto_cli(prepare, args=["--help"], as_positional=True)
    words = re.split(r"[\s,.]+", re.sub(r"-\s*\n\s*", "-", capsys.readouterr().out))
    assert set(DATA_SETS) <= set(words)
