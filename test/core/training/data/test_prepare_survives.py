"""``siam-tracker prepare`` that is killed, runs out of disk, or meets a folder that is there."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from made_prepared import contents, write_sequence
from made_shards import Deadly

from siam_tracker_core.commands.prepare import cut_all, prepare
from siam_tracker_core.datasets.otb_form import read_sequences
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.training.data.cutting import cut_chunk, read_record
from siam_tracker_core.training.data.filters import CropFilter
from siam_tracker_core.training.data.plan import LeftOut, Preparation, plan
from siam_tracker_core.training.data.prepared_set import open_prepared
from siam_tracker_core.training.data.shards import SetInfo

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
