"""The examples and the Python of README and tutorial, run as a reader runs them.

Those that need a node or a robot run beside the tests of these (test/ros), and own_tracker.py beside those of trackers.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import os
import re
import runpy
import signal
import struct
import subprocess
import sys
from pathlib import Path

import aiohttp
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER

ALL = sorted(
    path.name for path in (Path(__file__).parents[2] / "examples").iterdir() if path.suffix in (".py", ".ipynb")
)
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
    if name.endswith(".py"):
        source = (folder / name).read_text(encoding="utf-8")
        compile(source, name, "exec")
        assert len([line for line in source.splitlines() if line.strip()]) < 60
    assert f"({name})" in (folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
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


async def point(link: str, box: NDArray[np.float64]) -> None:
    """Draw a box on the first picture, as the page does."""
    async with aiohttp.ClientSession() as http:
        socket = await http.ws_connect(f"{link}socket", headers={"Origin": link.rstrip("/")}, max_msg_size=0)
        await socket.send_json({"type": "look", "width": 320})
        message = await socket.receive(timeout=60)
        while message.type is not aiohttp.WSMsgType.BINARY:
            message = await socket.receive(timeout=60)
        length = struct.unpack(">I", message.data[:4])[0]
        stamp = json.loads(message.data[4 : 4 + length])["stamp"]
        request = {"type": "set_target", "request": 1, "stamp": stamp, "box": box.tolist(), "label": "cat"}
        await socket.send_json(request)
        async for answer in socket:
            if answer.type is aiohttp.WSMsgType.TEXT and (told := answer.json()).get("type") == "answer":
                assert told["ok"], told["message"]
                break
        await socket.close()


@pytest.mark.slow
def test_webcam_with_the_console(repository_root: Path, footage: tuple[Path, NDArray[np.float64]]) -> None:
    folder, boxes = footage
    command = [sys.executable, str(repository_root / "examples" / "webcam_console.py"), "video.mp4", "0"]
    environment = {**os.environ, "PYTHONPATH": str(repository_root)}
    # A shell's background jobs, and all that they start, ignore Ctrl-C.
    heeding = functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, preexec_fn=heeding
    ) as process:
        try:
            assert process.stdout is not None
            link = re.search(r"http://\S+/", process.stdout.readline())
            assert link is not None
            asyncio.run(point(link.group(), boxes[0]))
            assert process.stdout.readline().startswith("target 1 cat: tracking at ")
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


@pytest.mark.slow
def test_batch_evaluation(repository_root: Path, tmp_path: Path) -> None:
    notebook = json.loads((repository_root / "examples" / "batch_evaluation.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert sum(len(cell.splitlines()) for cell in cells) < 60
    made_sequence(frames=FRAMES, size=(320, 240)).write_otb_form(tmp_path / "videos" / "made")
    script = tmp_path / "cells.py"
    script.write_text("import matplotlib; matplotlib.use('Agg')\n" + "\n".join(cells), encoding="utf-8")
    said = run(repository_root, tmp_path, str(script))
    assert said.startswith(f"1 sequences, {FRAMES} frames\n")
    rows = re.findall(r"^(\w+) +success (\d\.\d+)  precision \d\.\d+  \d+ frames/s$", said, re.MULTILINE)
    assert len(rows) == 3
    assert min(float(success) for _, success in rows) > 0.3
    assert (tmp_path / "evaluation" / "success.png").is_file()


# What the example uses of the got10k toolkit, by that package's documentation.
GOT10K = {
    "got10k/__init__.py": "",
    "got10k/trackers/__init__.py": """
class Tracker:
    def __init__(self, name, is_deterministic=False):
        self.name, self.is_deterministic = name, is_deterministic
""",
    "got10k/experiments/__init__.py": """
from pathlib import Path
import numpy as np
from PIL import Image

class ExperimentOTB:
    def __init__(self, root_dir, version=2015, result_dir="results", report_dir="reports"):
        assert version == 2015
        self.root = Path(root_dir)

    def run(self, tracker, visualize=False):
        truth = np.loadtxt(self.root / "groundtruth_rect.txt", delimiter=",")
        boxes = [truth[0]]
        for number, file in enumerate(sorted((self.root / "img").iterdir())):
            image = Image.open(file)
            if number:
                boxes.append(tracker.update(image))
            else:
                tracker.init(image, truth[0])
        np.savetxt("boxes.txt", boxes)

    def report(self, names):
        print(*names)
""",
}


def write_got10k(folder: Path) -> None:
    for name, text in GOT10K.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in ALL if name.endswith(".py") and name != "own_tracker.py"])
def test_a_wrong_call_is_told_how_to_call(
    name: str,
    repository_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Wrong is what the example's main does not take, such as nothing where it needs a box."""
    write_got10k(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    example = str(repository_root / "examples" / name)
    signature = inspect.signature(runpy.run_path(example)["main"])
    for words in (["word"] * count for count in range(6)):
        try:
            signature.bind(*words)
        except TypeError:
            monkeypatch.setattr(sys, "argv", [example, *words])
            with pytest.raises(SystemExit) as ended:
                runpy.run_path(example, run_name="__main__")
            assert ended.value.code == 2
            (sentence,) = capsys.readouterr().err.splitlines()
            assert sentence.startswith(f"usage: python examples/{name} ")


def test_got10k_toolkit(repository_root: Path, tmp_path: Path) -> None:
    made_sequence(frames=FRAMES, size=(320, 240)).write_otb_form(tmp_path / "made")
    write_got10k(tmp_path)
    start = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(repository_root / 'examples')!r}]; "
    said = run(repository_root, tmp_path, "-c", start + "import got10k_toolkit; got10k_toolkit.main('made')")
    assert said.strip() == DEFAULT_TRACKER
    boxes, truth = (
        np.loadtxt(tmp_path / "boxes.txt"),
        np.loadtxt(tmp_path / "made" / "groundtruth_rect.txt", delimiter=","),
    )
    assert np.abs(boxes - truth).max() < 12
    assert boxes[0] == pytest.approx(truth[0])


@pytest.mark.parametrize("page", ["README.md", "docs/first_target.md"])
def test_python_of_the_first_pages(page: str, repository_root: Path, footage: tuple[Path, NDArray[np.float64]]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (repository_root / page).read_text(encoding="utf-8"), re.DOTALL)
    assert BOX.replace(",", ", ") in code
    said = run(repository_root, footage[0], "-c", code + "\nprint(result.box)").splitlines()
    assert said[-1].startswith("Box(")
