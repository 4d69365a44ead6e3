"""What is said of a camera that cannot be opened: what was tried, which there are, and what to do."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from siam_tracker_core.errors import DatasetError
from siam_tracker_core.footage import cameras
from siam_tracker_core.sources import open_source

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="devices have other names there")


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cameras, "_DEVICES", tmp_path)
    return tmp_path


def complaint(source: str) -> str:
    with pytest.raises(DatasetError) as caught:
        open_source(source)
    return str(caught.value)


def test_no_camera_at_all(devices: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert complaint("7") == (
        f"camera 7 ({devices}/video7) is not there; there is no other ({devices}/video*): plug one in, hand it to the "
        "container (--device), or give a video file, a folder of images, or an address such as rtsp://"
    )
    assert capfd.readouterr().err == "", "OpenCV's own warnings say less"


def test_another_number(devices: Path) -> None:
    for name in ("video10", "video2"):
        (devices / name).touch()
    assert f"is not there; there are {devices}/video2, {devices}/video10: give one of these" in complaint("7")


def test_one_that_gives_no_pictures(devices: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (devices / "video7").touch()
    (devices / "video0").touch()
    words = complaint("7")
    assert words.startswith(f"camera 7 ({devices}/video7) is there but gives no pictures; another program may have it")
    assert words.endswith(
        f"there is {devices}/video0: give one of these, or a video file, a folder of images, or an address such as rtsp://"
    )
    assert capfd.readouterr().err == ""


def test_one_that_this_user_may_not_open(devices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (devices / "video7").touch(mode=0o000)
    if os.geteuid() == 0:  # root may open everything; others what the mode lets them
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path).stat().st_mode & mode == mode)
    assert "may not be opened by this user; mend that with: sudo usermod -aG video $USER" in complaint("7")


def test_what_is_no_camera() -> None:
    assert complaint("/dev/null").startswith("camera /dev/null is there but gives no pictures")
