"""Files from the field: their order, encodings and kinds; and results that are whole or not there."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest

from siam_tracker_core.errors import ConfigError, DatasetError, OutputError
from siam_tracker_core.files import (
    check_outputs,
    check_outside,
    check_writable,
    naturally,
    read_text,
    whole_file,
    write_text,
)
from siam_tracker_core.files.kinds import impostor
from siam_tracker_core.files.writing import made_folder


def test_numbers_are_sorted_by_value_and_litter_is_left_out() -> None:
    names = ["a/10.jpg", "a/9.jpg", "a/._9.jpg", "b/1.jpg", "a/1.jpg", "a/01.jpg", "a/Thumbs.db", "__MACOSX/2.jpg"]
    order = ["a/01.jpg", "a/1.jpg", "a/9.jpg", "a/10.jpg", "b/1.jpg"]
    assert [str(path) for path in naturally(map(Path, names))] == order


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_text_with_and_without_a_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "t.txt").write_bytes("1,2\nä\n".encode(encoding))
    assert read_text(tmp_path / "t.txt") == "1,2\nä\n"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("1,2".encode("utf-16"), r"t.txt, line 1: the file is UTF-16, .*iconv -f UTF-16"),
        ("1,2".encode("utf-32"), r"the file is UTF-32"),
        ("1\n2\né".encode("latin-1"), r"t.txt, line 3: byte 0xe9 is not UTF-8, .*iconv -f LATIN1"),
    ],
)
def test_other_encodings_are_named_with_line_and_remedy(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "t.txt").write_bytes(data)
    with pytest.raises(DatasetError, match=words):
        read_text(tmp_path / "t.txt")
    with pytest.raises(ConfigError):
        read_text(tmp_path / "t.txt", ConfigError)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\n <!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        (b"<?xml version='1.0'?><Error>", "XML page"),
        (b"\x80\x02}q\x00", ""),
    ],
)
def test_what_downloads_leave(tmp_path: Path, data: bytes, what: str) -> None:
    (tmp_path / "w").write_bytes(data)
    said = impostor(tmp_path / "w")
    assert what in said
    assert bool(said) == bool(what)


def test_outputs_that_are_inputs_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "in" / "video.avi"
    source.parent.mkdir()
    source.write_text("frames")
    soft, hard = tmp_path / "soft.avi", tmp_path / "hard.avi"
    soft.symlink_to(source)
    os.link(source, hard)
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    for path in (source, soft, hard, source.parent / ".." / "in" / "video.avi", source.parent):
        with pytest.raises(OutputError, match="--out"):
            check_outputs({"--out": path}, [source])
    with pytest.raises(OutputError, match="--out and --overlay both write"):
        check_outputs({"--out": tmp_path / "x", "--overlay": tmp_path / "x"}, [])
    check_outputs({"--out": tmp_path / "new.csv", "--overlay": None, "--other": dangling}, [source, None, "siamfc"])


def test_a_bag_may_not_touch_its_own_source(tmp_path: Path) -> None:
    source = tmp_path / "in" / "sequence"
    source.mkdir(parents=True)
    (tmp_path / "link").symlink_to(source)
    for path in (source, source.parent, source / "bag", source / "img" / "bag", tmp_path / "link" / "bag"):
        with pytest.raises(OutputError, match=r"OUT .* (is the input|holds the input|lies in its own source)"):
            check_outside("OUT", path, source)
    check_outside("OUT", tmp_path / "in" / "sequence_bag", source)
    check_outside("OUT", tmp_path / "bag", source)


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, words in (
        (tmp_path, "is a folder"),
        (tmp_path / "none" / "a.csv", "does not exist; make it first"),
        (tmp_path / "file" / "a.csv", "is not a folder"),
        (Path("/proc/a.csv"), "cannot be written"),
    ):
        with pytest.raises(OutputError, match=words):
            check_writable(path)
    with pytest.raises(OutputError, match="is a file"):
        made_folder(tmp_path / "file")
    check_writable(tmp_path / "new.csv")
    check_writable(Path("/dev/null"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def half_written(path: Path) -> None:
    with whole_file(path) as file:
        file.write("half")
        raise RuntimeError


def test_what_stood_there_stays_until_the_new_is_whole(tmp_path: Path) -> None:
    path, link = tmp_path / "a.csv", tmp_path / "link.csv"
    path.write_text("old")
    link.symlink_to(path)
    with pytest.raises(RuntimeError):
        half_written(path)
    assert path.read_text() == "old"
    with whole_file(link) as file:
        file.write("new")
        assert path.read_text() == "old"
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.csv", "link.csv"]


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk; writing beyond it fails in the same call."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"t\.txt cannot be written \(file too large\)"):
            write_text(tmp_path / "t.txt", "x" * 20_000)
        with pytest.raises(OutputError), whole_file(tmp_path / "t.txt") as file:
            file.write("x" * 20_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.iterdir())
