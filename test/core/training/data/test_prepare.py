"""``siam-tracker prepare``: what is kept, what the crops show, interruption, and what is refused."""

from __future__ import annotations

import json
import re
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonargparse import auto_cli
from made_shards import Deadly

from siam_tracker_core.commands.prepare import cut_all, prepare
from siam_tracker_core.datasets.images import is_truncated
from siam_tracker_core.datasets.otb_form import read_sequences
from siam_tracker_core.datasets.registry import DATA_SETS
from siam_tracker_core.datasets.types import Sequence, Still
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.geometry import context_size
from siam_tracker_core.training.data.crop_store import decode
from siam_tracker_core.training.data.cutting import Cutter, cut_chunk, read_record
from siam_tracker_core.training.data.filters import CropFilter
from siam_tracker_core.training.data.plan import LeftOut, Preparation, plan
from siam_tracker_core.training.data.prepared_set import open_prepared, read_index
from siam_tracker_core.training.data.shards import SetInfo, read_shard


def write_sequence(folder, boxes, size=(240, 180), seed=0):
    """A video of a white rectangle, whole pixels exactly, before dark noise, with the boxes as ground truth."""
    (folder / "img").mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number, (x, y, width, height) in enumerate(boxes):
        image = rng.integers(0, 60, (size[1], size[0], 3)).astype(np.uint8)
        image[y : y + height, x : x + width] = 255
        cv2.imwrite(str(folder / "img" / f"{number:04d}.png"), image)
    lines = [f"{x + 1},{y + 1},{width},{height}\n" for x, y, width, height in boxes]
    (folder / "groundtruth_rect.txt").write_text("".join(lines))


@pytest.fixture
def videos(tmp_path):
    """Three videos of 7, 5 and 4 frames; the second has a tiny target in one frame, the third in all."""
    root = tmp_path / "videos"
    write_sequence(root / "a", [(40 + 10 * n, 50, 40, 24) for n in range(7)])
    write_sequence(root / "b", [(60, 40 + 5 * n, 30, 50) if n != 2 else (60, 40, 5, 5) for n in range(5)], seed=1)
    write_sequence(root / "c", [(60, 40, 6, 6)] * 4, seed=2)
    return root


def everything(folder):
    prepared = open_prepared(folder)
    return [track for shard in prepared.shards for track in read_shard(prepared.info, shard.file, range(len(shard)))]


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


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


CHILD = """
import sys
from pathlib import Path
from siam_tracker_core.commands.prepare import prepare
prepare("folder", Path(sys.argv[1]), Path(sys.argv[2]), jobs=int(sys.argv[3]), shard_size=int(sys.argv[4]))
"""


def child(videos, out, jobs=1, shard_size=30, **options):
    arguments = [sys.executable, "-c", CHILD, str(videos), str(out), str(jobs), str(shard_size)]
    return subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, **options)


@pytest.fixture
def many(tmp_path):
    root = tmp_path / "many"
    for number in range(4):
        boxes = [(30 + n, 40, 40, 30) for n in range(30)]
        write_sequence(root / f"v{number}", boxes, size=(160, 120), seed=number)
    return root


def test_a_killed_run_goes_on_where_it_was(many, tmp_path):
    out = tmp_path / "out"
    process = child(many, out)
    deadline = time.monotonic() + 60
    while not list(out.glob("*.done.json")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = {
        path.name: path.stat().st_mtime_ns for path in out.glob("*.tar") if (out / f"{path.stem}.done.json").exists()
    }
    assert done
    # What a process of the killed run left, or is still writing, is not taken for a shard, nor written by this run.
    left = out / "000003.tar.1.unfinished"
    left.write_bytes(b"half a shard")
    with left.open("ab") as orphan:
        prepare("folder", many, out, jobs=1, shard_size=30)
        orphan.write(b"and more of it")
    prepare("folder", many, tmp_path / "whole", jobs=1, shard_size=30)
    assert contents(out) == contents(tmp_path / "whole")
    assert {name: (out / name).stat().st_mtime_ns for name in done} == done
    assert len(contents(out)) == 4 + 2


def test_records_count_for_the_data_that_they_were_made_of_only(many, tmp_path):
    """One box changes after three of four shards were cut, and one shard disappears."""
    settings, info = Preparation(shard_size=30), SetInfo(str(tmp_path), "folder", "video", 320, 1)
    chunks = plan(read_sequences(many), "video", many, settings, LeftOut())
    assert [chunk.frames for chunk in chunks] == [30] * 4
    made = [cut_chunk(chunk, tmp_path, info, settings) for chunk in chunks[:3]]
    read = [read_record(tmp_path, chunk) for chunk in chunks]
    assert read[3] is None
    for first, second in zip(read[:3], made, strict=True):
        assert (first.digest, first.shard, first.left.to_json(), first.lost) == (
            second.digest,
            second.shard,
            second.left.to_json(),
            second.lost,
        )
    changed, gone = made[0].shard, made[2].shard
    (tmp_path / gone.file).unlink()
    truth = many / changed.tracks[0] / "groundtruth_rect.txt"
    truth.write_text(truth.read_text().replace("35,41,40,30", "35,41,44,30"))
    again = plan(read_sequences(many), "video", many, settings, LeftOut())
    counts = [read_record(tmp_path, chunk) is not None for chunk in again]
    assert counts == [False, True, False, False]


def test_a_full_disk_is_one_clear_error_and_keeps_what_is_finished(many, tmp_path):
    """As a full disk, a limit on the size of files: the operating system refuses to write on."""
    big = many / "v2"
    rng = np.random.default_rng(0)
    for path in (big / "img").iterdir():  # noise makes large JPEG files
        image = rng.integers(0, 255, (120, 160, 3)).astype(np.uint8)
        cv2.imwrite(str(path), image)
    prepare("folder", many, tmp_path / "whole", jobs=1, shard_size=30)
    shards = open_prepared(tmp_path / "whole").shards
    sizes = [shard.size for shard in shards]
    limit = sorted(sizes)[-1] - 10_000
    assert sorted(sizes)[-2] < limit
    out = tmp_path / "out"
    process = child(
        many, out, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    )
    _, printed = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "DatasetError" in printed
    assert "cannot be written (File too large); the shards that are finished stay" in printed
    names = {path.name for path in out.iterdir()}
    large = sizes.index(max(sizes))
    assert names == {"arguments.json"} | {f"{n:06d}{end}" for n in range(large) for end in (".tar", ".done.json")}
    prepare("folder", many, out, jobs=1, shard_size=30)
    assert contents(out) == contents(tmp_path / "whole")


def test_a_killed_worker_is_one_clear_error(tmp_path):
    deadly = [Deadly(f"v{n}", (tmp_path / "a.png",), np.full((1, 4), 30.0)) for n in range(2)]
    settings = Preparation(shard_size=1)
    chunks = plan(deadly, "video", tmp_path, settings, LeftOut())
    info = SetInfo(str(tmp_path), "folder", "video", 320, 1)
    with pytest.raises(DatasetError, match=r"has been killed.*fewer --jobs"):
        list(cut_all(chunks, tmp_path, info, settings, jobs=2))


def test_a_finished_folder_is_not_touched_again_and_other_arguments_are_refused(videos, tmp_path, capsys):
    prepare("folder", videos, tmp_path / "out", jobs=1)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    first = capsys.readouterr().out
    prepare("folder", videos, tmp_path / "out", jobs=2)
    note, _, rest = capsys.readouterr().out.partition("\n")
    assert "was finished before and stays as it is" in note
    assert rest == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before
    with pytest.raises(ConfigError, match="crop_size is 448, was 320; choose another --out"):
        prepare("folder", videos, tmp_path / "out", jobs=1, crop_size=448)
    with pytest.raises(ConfigError, match=r"other arguments: filters.least_side is 3.0, was 12.0; choose"):
        prepare("folder", videos, tmp_path / "out", jobs=1, filters=CropFilter(least_side=3))


def test_a_folder_without_a_shard_is_free_for_other_arguments(videos, tmp_path):
    with pytest.raises(DatasetError, match="is not a folder"):
        prepare("folder", tmp_path / "typo", tmp_path / "out", jobs=1)
    prepare("folder", videos, tmp_path / "out", jobs=1, crop_size=200)
    assert open_prepared(tmp_path / "out").info.crop_size == 200


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


def slow_reasons(box, visibility, width, height, f):
    """The filters as the reference values put them, one box at a time."""
    x, y, w, h = box
    if any(np.isnan(box)) or w <= 0 or h <= 0:
        return "absent"
    if visibility < f.least_visibility:
        return "visible"
    if w * h < f.least_area or min(w, h) < f.least_side or max(w, h) > f.largest_side:
        return "size"
    if not 1 / f.largest_aspect <= w / h <= f.largest_aspect:
        return "aspect"
    columns = sum(1 for column in np.arange(0, width, 0.5) if x <= column + 0.25 < x + w) / 2
    rows = sum(1 for row in np.arange(0, height, 0.5) if y <= row + 0.25 < y + h) / 2
    if columns * rows / (w * h) < f.least_inside:
        return "inside"
    return "share" if not f.least_share <= ((w * h) / (width * height)) ** 0.5 <= f.largest_share else ""


WORDS = {
    "absent": "absent",
    "visible": "visible",
    "size": "pixels",
    "aspect": "times",
    "inside": "in its image",
    "share": "of the image",
    "": "",
}


@settings(max_examples=200, deadline=None)
@given(
    st.tuples(*[st.integers(-80, 400).map(lambda n: n / 2)] * 2, *[st.integers(-4, 300).map(lambda n: n / 2)] * 2),
    st.sampled_from([0.0, 0.25, 0.35, 1.0]),
)
def test_filters_agree_with_their_definition(box, visibility):
    filters = CropFilter(largest_side=120)
    boxes = np.array([box], dtype=np.float64)
    reason = str(filters.reject_boxes(boxes, np.array([visibility]))[0])
    if not reason:
        reason = filters.reject_place(boxes[0], 160, 120)
    expected = slow_reasons(box, visibility, 160, 120, filters)
    assert bool(reason) == bool(expected)
    assert WORDS[expected] in reason


def test_boxes_of_nothing():
    reasons = CropFilter().reject_boxes(np.array([[np.nan] * 4, [1, 1, np.inf, 5], [1, 1, 30, 30]]), np.ones(3))
    assert reasons.tolist() == ["target absent", "target absent", ""]


def test_a_plan_keeps_a_photographs_targets_together(tmp_path):
    boxes = np.array([[10.0 * n, 10, 20, 20] for n in range(5)])
    stills = [Still(tmp_path / f"{n}.jpg", boxes) for n in range(6)]
    chunks = plan(stills, "stills", tmp_path, Preparation(shard_size=10), LeftOut())
    assert [chunk.frames for chunk in chunks] == [10, 10, 10]
    names = [piece.video for chunk in chunks for work in chunk.work for piece in work.pieces()]
    assert all(names[n] == names[n - n % 5] for n in range(30))
    assert len(set(names)) == 6
    assert list(names[::5]) != sorted(set(names))  # shuffled
