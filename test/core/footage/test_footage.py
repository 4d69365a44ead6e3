"""Sources of frames, damaged videos, and videos that are written whole."""

from __future__ import annotations

import http.server
import resource
import shutil
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_streams import motion_jpeg, rtsp
from PIL import Image

from siam_tracker_core.errors import DatasetError, OutputError
from siam_tracker_core.footage import VideoOutput
from siam_tracker_core.footage.numbering import FrameNumbers, ranges
from siam_tracker_core.footage.video import VideoFile
from siam_tracker_core.sources import open_source

COUNT = 10


def picture(number: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """A pattern whose mean brightness tells the number."""
    pattern = np.random.default_rng(0).integers(-19, 20, (size[1], size[0], 3))
    return (pattern - pattern.mean() + 20 * (number + 1)).astype(np.uint8)


def number_of(image: np.ndarray) -> int:
    return round(float(image.mean()) / 20) - 1


@pytest.fixture(scope="module")
def avi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("footage") / "whole.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for number in range(COUNT):
        writer.write(picture(number))
    writer.release()
    return path


def test_a_whole_video_has_no_complaint(avi: Path) -> None:
    video = VideoFile(avi)
    assert [(frame.number, number_of(frame.image)) for frame in video.frames()] == [(n, n) for n in range(COUNT)]
    assert (video.count, video.complaint()) == (COUNT, "")


def test_numbers_go_by_time_only_where_frames_are_missing() -> None:
    stamps = [0.0, 0.1, 0.4, 0.5]
    gaps = FrameNumbers(10.0, 6, None, lambda: 4)
    assert [gaps.next(stamp) for stamp in stamps] == [0, 1, 4, 5]
    variable = FrameNumbers(10.0, 4, None, lambda: 4)  # a telephone's video: all there, at unequal times
    assert [variable.next(stamp) for stamp in stamps] == [0, 1, 2, 3]
    assert ranges([1, 2, 3, 7]) == "1 to 3, 7"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(1, COUNT + 1):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(number - 1))
    return tmp_path


def numbers(source: str) -> list[int]:
    return [number_of(frame.image) for frame in open_source(source).frames]


def test_folders_and_patterns_in_natural_order(folder: Path) -> None:
    for source in (folder, folder / "%d.png", folder / "*.png"):
        assert numbers(str(source)) == list(range(COUNT))
    assert numbers(str(folder / "%02d.png")) == [9]
    with pytest.raises(DatasetError, match="no file matches"):
        open_source(str(folder / "%04d.png"))


def test_a_folder_comes_before_a_camera_of_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(folder, folder / "2012")
    monkeypatch.chdir(folder)
    assert numbers("2012") == list(range(COUNT))


def test_an_unreadable_frame_keeps_its_number_and_is_told_of(folder: Path) -> None:
    (folder / "4.png").write_bytes(b"nothing")
    source = open_source(str(folder))
    assert [frame.number for frame in source.frames] == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert "1 of 10 frame cannot be read: 3 (counted from 0)" in source.complaint()


@pytest.mark.parametrize("ending", ["tif", "webp"])
def test_frames_that_other_programs_wrote(tmp_path: Path, ending: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels[..., ::-1]).save(
        tmp_path / f"1.{ending}", **({"lossless": True} if ending == "webp" else {})
    )
    assert np.array_equal(next(iter(open_source(str(tmp_path)).frames)).image, pixels)


def test_a_sequence_is_called_as_its_folder(tmp_path: Path) -> None:
    images = tmp_path / "girl" / "img"
    images.mkdir(parents=True)
    cv2.imwrite(str(images / "1.png"), picture(0))
    assert [open_source(str(folder)).name for folder in (images, images.parent)] == ["girl", "girl"]


def test_wide_frames_keep_their_contrast(tmp_path: Path) -> None:
    scene = np.random.default_rng(0).integers(0, 256, (40, 50)).astype(np.uint16)
    Image.fromarray(scene + 8000).save(tmp_path / "1.png")
    image = next(iter(open_source(str(tmp_path)).frames)).image
    assert np.abs(image[..., 0].astype(int) - scene).max() <= 4


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("/nowhere/x.mp4", "is neither a video file"),
        ("/dev/video77", "camera /dev/video77 is not there"),
        ("rtsp://me:secret@127.0.0.1:1/x", r"^rtsp://127.0.0.1:1/x cannot be opened as a video stream"),
        ("/nowhere/%04d.png", "/nowhere is not a folder"),
    ],
)
def test_sources_that_are_not_there(source: str, words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        open_source(source)


def test_a_web_page_in_place_of_a_video(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_text("<!DOCTYPE html><html>not found</html>")
    with pytest.raises(DatasetError, match="is a web page"):
        open_source(str(tmp_path / "v.mp4"))


def test_http(avi: Path) -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(avi.parent))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert numbers(f"http://127.0.0.1:{server.server_port}/{avi.name}") == list(range(COUNT))
        server.shutdown()


def test_a_camera_that_sends_motion_jpeg_over_http() -> None:
    with motion_jpeg([cv2.imencode(".jpg", picture(number))[1].tobytes() for number in range(COUNT)]) as address:
        assert numbers(address) == list(range(COUNT))


def test_rtsp(tmp_path: Path) -> None:
    stream = tmp_path / "camera.ts"
    writer = cv2.VideoWriter(str(stream), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp2v"), 25, (64, 48))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no MPEG transport stream to send")
    for number in range(COUNT):
        writer.write(picture(number))
    writer.release()
    with rtsp(stream) as address:
        assert numbers(address)[: COUNT - 2] == list(range(COUNT - 2))  # the decoder keeps the last ones


def test_standard_input(avi: Path) -> None:
    code = "from siam_tracker_core.sources import open_source; print(sum(1 for _ in open_source('-').frames))"
    with avi.open("rb") as file:
        run = subprocess.run([sys.executable, "-c", code], stdin=file, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(COUNT)


@pytest.mark.parametrize("name", ["out.mp4", "out.AVI"])
def test_a_video_appears_whole(tmp_path: Path, name: str) -> None:
    with VideoOutput(tmp_path / name, 25.0) as video:
        for number in range(COUNT):
            video.add(picture(number, (64, 48) if number < 5 else (32, 24)))
            assert not (tmp_path / name).exists()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert numbers(str(tmp_path / name)) == list(range(COUNT))


def test_an_ending_that_is_no_video(tmp_path: Path) -> None:
    with VideoOutput(tmp_path / "o.txt", 25) as video, pytest.raises(OutputError, match=r"ends in \.txt; use \.mp4"):
        video.add(picture(0))


def write_video(path: Path, images: list[np.ndarray]) -> None:
    with VideoOutput(path, 25.0) as video:
        for image in images:
            video.add(image)


@pytest.mark.parametrize("name", ["out.mp4", "out.avi"])
def test_a_full_disk_is_no_success(tmp_path: Path, name: str) -> None:
    """A limit on the size of files stands for the disk; OpenCV says nothing when it is reached."""
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    (tmp_path / name).write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"make room|is there room"):
            write_video(tmp_path / name, [noise] * COUNT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / name).read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == [name]
