"""Shards and their index: what is written is read back, from disk, by HTTP or a command; nothing broken is believed."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import tarfile
import threading

import numpy as np
import pytest
import webdataset
from made_shards import made_set, made_track

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.training.data.prepared_set import open_prepared
from siam_tracker_core.training.data.shards import address, read_shard, write_shard


@pytest.fixture
def prepared(tmp_path):
    tracks = [made_track(f"v{n}", list(range(3 + n)), shade=40 * n) for n in range(4)]
    return made_set(tmp_path / "set", [tracks[:3], tracks[3:]])


def same(first, second):
    for name, value in vars(first).items():
        other = getattr(second, name)
        assert np.array_equal(value, other) if isinstance(value, np.ndarray) else value == other, name


def test_what_is_written_is_read_back(prepared):
    again = open_prepared(prepared.info.location)
    assert again == prepared
    assert (again.frames, again.tracks) == (3 + 4 + 5 + 6, 4)
    read = [track for shard in again.shards for track in read_shard(again.info, shard.file, range(len(shard)))]
    for number, track in enumerate(read):
        same(track, made_track(f"v{number}", list(range(3 + number)), shade=40 * number))


def test_only_the_samples_asked_for_are_read(prepared):
    assert [track.track for track in read_shard(prepared.info, "000000.tar", [2, 0])] == ["v0", "v2"]


def test_webdataset_itself_reads_the_shards(prepared):
    """An independent reader: the format is webdataset's, whatever this package's reader thinks."""
    samples = list(webdataset.WebDataset(prepared.info.location + "/000000.tar", shardshuffle=False).decode())
    assert [sample["json"]["track"] for sample in samples] == ["v0", "v1", "v2"]
    assert sum(name.endswith(".jpg") for name in samples[2]) == 5


def test_equal_samples_give_equal_bytes(prepared, tmp_path):
    track = made_track("a", [1, 2], 9)
    for name in ("one.tar", "two.tar"):
        write_shard(tmp_path / name, prepared.info, [track])
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_a_shard_without_samples_is_no_file(prepared, tmp_path):
    assert write_shard(tmp_path / "empty.tar", prepared.info, []) is None
    assert not list(tmp_path.glob("empty*"))


def test_a_failure_while_writing_leaves_what_was_there(prepared, tmp_path):
    def samples():
        yield made_track("a", [1], 9)
        raise OSError("no space")

    path = tmp_path / "shard.tar"
    path.write_bytes(b"before")
    with pytest.raises(OSError, match="no space"):
        write_shard(path, prepared.info, samples())
    assert path.read_bytes() == b"before"
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == ["shard.tar"]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.35, 0.5, 0.75, 0.99])
def test_truncated_shards_are_an_error(prepared, tmp_path, share):
    path = tmp_path / "set" / "000000.tar"
    with tarfile.open(path) as tar:
        last = tar.getmembers()[-1]
    content = path.read_bytes()[: last.offset_data + last.size]  # what follows is padding
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DatasetError, match=r"000000\.tar.*(truncated|cannot be read)"):
        list(read_shard(prepared.info, "000000.tar", range(3)))


def test_every_cut_between_two_blocks_is_noticed(prepared, tmp_path):
    """A tar file that ends between two members looks whole to tarfile."""
    path = tmp_path / "set" / "000000.tar"
    data = path.read_bytes()
    with tarfile.open(path) as tar:
        ends = [member.offset for member in tar.getmembers()]
    for end in ends:
        path.write_bytes(data[:end])
        with pytest.raises(DatasetError, match=r"000000\.tar"):
            list(read_shard(prepared.info, "000000.tar", range(3)))


def test_foreign_shards_are_an_error(prepared, tmp_path):
    folder = tmp_path / "set"
    other = made_set(tmp_path / "other", [[made_track("x", [0], 1, data_set="others")]])
    shutil.copy(tmp_path / "other" / "000000.tar", folder / "000001.tar")
    with pytest.raises(DatasetError, match=r"000001\.tar.*another data set"):
        list(read_shard(prepared.info, "000001.tar", [0]))
    made_set(tmp_path / "small", [[made_track("v3", [0], 1, size=128)]], size=128)
    shutil.copy(tmp_path / "small" / "000000.tar", folder / "000001.tar")
    with pytest.raises(DatasetError, match=r"128.*160"):
        list(read_shard(prepared.info, "000001.tar", [0]))
    with tarfile.open(folder / "000001.tar", "w") as tar:
        (tmp_path / "000000.txt").write_text("hello")
        tar.add(tmp_path / "000000.txt", "000000.txt")
    with pytest.raises(DatasetError, match="not a whole one"):
        list(read_shard(prepared.info, "000001.tar", [0]))
    (folder / "000001.tar").write_bytes(b"this is no tar file" * 100)
    with pytest.raises(DatasetError, match=r"000001\.tar"):
        list(read_shard(prepared.info, "000001.tar", [0]))
    with pytest.raises(DatasetError, match=r"missing\.tar.*No such file"):
        list(read_shard(other.info, "missing.tar", [0]))


def test_indices_that_are_none(tmp_path):
    with pytest.raises(DatasetError, match="siam-tracker prepare"):
        open_prepared(tmp_path)
    for content in ("not json", "[]", '{"format": "another"}'):
        (tmp_path / "index.json").write_text(content)
        with pytest.raises(DatasetError, match=r"index\.json is not an index"):
            open_prepared(tmp_path)
    (tmp_path / "index.json").write_text(json.dumps({"format": "siam-tracker crops 1", "shards": []}))
    with pytest.raises(DatasetError, match="lacks 'data_set'"):
        open_prepared(tmp_path)


def test_addresses():
    assert address("folder", "a.tar") == "folder/a.tar"
    assert address("http://host/set/", "a.tar") == "http://host/set/a.tar"
    assert address("pipe:ssh host cat set/{}", "a.tar") == "pipe:ssh host cat set/a.tar"
    assert address("s3://bucket/my set", "a.tar") == "pipe:aws s3 cp 's3://bucket/my set/a.tar' -"


def test_reading_through_a_command(prepared):
    location = f"pipe:cat {prepared.info.location}/{{}}"
    remote = open_prepared(location)
    assert remote.shards == prepared.shards
    assert [track.track for track in read_shard(remote.info, "000001.tar", [0])] == ["v3"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="webdataset reads http:// with curl")
def test_reading_over_http(prepared):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=prepared.info.location)
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            remote = open_prepared(f"http://127.0.0.1:{server.server_port}")
            assert [track.track for track in read_shard(remote.info, "000000.tar", range(3))] == ["v0", "v1", "v2"]
            with pytest.raises(DatasetError, match=r"missing\.tar"):
                list(read_shard(remote.info, "missing.tar", [0]))
        finally:
            server.shutdown()
