"""``siam-tracker track`` on what people have: odd paths and boxes, damaged sources, outputs that would destroy them."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from siam_tracker_core.cli import main
from siam_tracker_core.commands import track as command
from siam_tracker_core.errors import ImageError
from siam_tracker_core.geometry import Box
from siam_tracker_core.trackers.results import TrackResult, TrackState


class Still:
    """Answers that the target is where it was, in states that a test may name; then it is tracked."""

    def __init__(self, *states: TrackState) -> None:
        self.states = iter(states)

    def init(self, image: np.ndarray, box: Box) -> None:
        self.box, self.shape = box, image.shape

    def update(self, image: np.ndarray) -> TrackResult:
        if image.shape != self.shape:
            raise ImageError("another size; set the target again")
        return TrackResult(self.box, 0.9, next(self.states, TrackState.TRACKING))


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(command, "load_tracker", lambda name, *rest, **options: names.append(name) or Still())
    monkeypatch.chdir(tmp_path)
    return names


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "in.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for number in range(6):
        writer.write(np.random.default_rng(number).integers(0, 256, (48, 64, 3), dtype=np.uint8))
    writer.release()
    return path


def rows(path: str = "out.csv") -> list[list[str]]:
    with Path(path).open() as file:
        return list(csv.reader(file))[1:]


def run(*words: object) -> int:
    return main(["track", *map(str, words), "--out", "out.csv"])


def test_negative_coordinates_and_odd_paths(video: Path, tmp_path: Path) -> None:
    odd = tmp_path / "it's a+b run.avi"
    video.rename(odd)
    assert run(odd, "--init", "-10,-5,40,50", "--start", 2, "--frames", 3) == 0
    assert [row[:5] for row in rows()] == [[str(n), "-10.0", "-5.0", "40.0", "50.0"] for n in (2, 3, 4)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--start", "-1"], "start is -1"),
        (["--frames", "0"], "frames is 0"),
        (["--frames", "-3"], "frames is -3"),
        (["--start", "6"], "has no frame 6"),
        (["--overlay", "none/x.mp4"], "none does not exist; make it first"),
        (["--overlay", "."], "is a folder"),
        (["--overlay", "in.avi"], "--overlay in.avi is the input"),
        (["--overlay", "out.csv"], "both write"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_tracker_is_loaded(
    video: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str], loaded: list[str]
) -> None:
    before = video.read_bytes()
    assert run(video, "--init", "5,5,10,10", *words) == 1
    assert said in capsys.readouterr().err
    assert not loaded
    assert video.read_bytes() == before
    assert not Path("out.csv").exists()


def test_a_source_is_never_written_through_a_link(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = video.read_bytes()
    Path("out.csv").symlink_to(video)
    assert run(video, "--init", "5,5,10,10") == 1
    assert "by another name or link" in capsys.readouterr().err
    assert video.read_bytes() == before


def test_missing_frames_fail_unless_tolerated(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = video.read_bytes()
    video.write_bytes(data[: len(data) - 9000])
    assert run(video, "--init", "5,5,10,10") == 1
    said = capsys.readouterr().err
    assert "of 6 frames" in said
    assert "missing" in said
    assert 0 < len(rows()) < 6
    assert run(video, "--init", "5,5,10,10", "--tolerant") == 0


def test_a_change_of_shape_keeps_the_track_so_far(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, size in enumerate([(48, 64), (48, 64), (64, 48)]):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.random.default_rng(0).integers(0, 256, (*size, 3)))
    assert run(tmp_path, "--init", "5,5,10,10") == 1
    said = capsys.readouterr().err
    assert "frame 2 has 48x64 pixels, the first one 64x48" in said
    assert "set the target again" not in said
    assert len(rows()) == 2


def test_the_summary_counts_the_states_that_the_file_holds(
    video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    states = [TrackState.UNCERTAIN, TrackState.LOST, TrackState.UNCERTAIN]
    monkeypatch.setattr(command, "load_tracker", lambda *rest, **options: Still(*states))
    assert run(video, "--init", "5,5,10,10") == 0
    assert capsys.readouterr().out == "6 frames, uncertain in 2, lost in 1: out.csv\n"
    assert run(video, "--init", "5,5,10,10", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    written = [row[-1] for row in rows()]
    assert {name: told[name] for name in ("uncertain", "lost")} == {
        name: written.count(name) for name in ("uncertain", "lost")
    }


def test_a_pipe_that_closes_is_no_traceback() -> None:
    code = "import sys; from siam_tracker_core.cli import main; sys.exit(main(['zoo']))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read().decode() == ""
    assert process.returncode == 141
