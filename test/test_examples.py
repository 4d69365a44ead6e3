"""The examples and the Python of README and tutorial, run as a reader runs them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from siam_tracker_core.datasets.made import made_sequence

ALL = sorted(path.name for path in (Path(__file__).parents[1] / "examples").glob("*.py"))
FRAMES = 4
BOX = "120,80,64,48"  # the one that README and tutorial name


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, NDArray[np.float64]]:
    """A folder with video.mp4, and the true boxes."""
    folder = tmp_path_factory.mktemp("footage")
    made = made_sequence(frames=FRAMES, size=(320, 240))
    writer = cv2.VideoWriter(str(folder / "video.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 30.0, (320, 240))
    for frame in made.frames:
        writer.write(frame)
    writer.release()
    return folder, made.boxes


def run(root: Path, folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def text_of(box: NDArray[np.float64]) -> str:
    return ",".join(f"{value:.1f}" for value in box)


@pytest.mark.parametrize("name", ALL)
def test_every_example_is_short_and_listed(name: str, repository_root: Path) -> None:
    folder = repository_root / "examples"
    source = (folder / name).read_text(encoding="utf-8")
    compile(source, name, "exec")
    code = [line for line in source.splitlines() if line.strip()]
    assert len(code) < 60
    assert f"({name})" in (folder / "README.md").read_text(encoding="utf-8")


def test_video(repository_root: Path, footage: tuple[Path, NDArray[np.float64]]) -> None:
    folder, boxes = footage
    example = str(repository_root / "examples" / "video.py")
    said = run(repository_root, folder, example, "video.mp4", text_of(boxes[0]), "tracked.mp4")
    assert said == f"seen in {FRAMES} of {FRAMES} frames\n"
    assert int(cv2.VideoCapture(str(folder / "tracked.mp4")).get(cv2.CAP_PROP_FRAME_COUNT)) == FRAMES


def test_many_targets(repository_root: Path, footage: tuple[Path, NDArray[np.float64]]) -> None:
    folder, boxes = footage
    example = str(repository_root / "examples" / "many_targets.py")
    rows = run(repository_root, folder, example, "video.mp4", text_of(boxes[0]), "20,20,40,40").splitlines()
    assert [row.split(",")[:2] for row in rows] == [[str(n), t] for n in range(1, FRAMES) for t in "01"]
    last = [float(value) for value in rows[-2].split(",")[2:6]]
    assert np.abs(np.array(last) - boxes[-1]).max() < 12


@pytest.mark.parametrize("page", ["README.md", "docs/first_target.md"])
def test_python_of_the_first_pages(page: str, repository_root: Path, footage: tuple[Path, NDArray[np.float64]]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (repository_root / page).read_text(encoding="utf-8"), re.DOTALL)
    assert BOX.replace(",", ", ") in code
    said = run(repository_root, footage[0], "-c", code + "\nprint(result.box)").splitlines()
    assert said[-1].startswith("Box(")
