"""The package as a tracker for others: the TraX protocol, and vot-toolkit's list of trackers."""

from __future__ import annotations

import configparser
import importlib.util
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from siam_tracker_core import load_tracker
from siam_tracker_core.cli import COMMANDS, main
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.datasets.vot import read_vot
from siam_tracker_core.errors import BoxError, ConfigError, ImageError
from siam_tracker_core.evaluation.one_pass import run_sequence
from siam_tracker_core.evaluation.vot import trax as bridge
from siam_tracker_core.evaluation.vot.ini import trackers_ini, write_trackers_ini
from siam_tracker_core.geometry import Box
from siam_tracker_core.zoo import read_zoo

SIDE = Path(__file__).parents[2] / "vot_toolkit_side.py"  # beside the helpers that it imports
ROOT = SIDE.parents[2]

needs_trax = pytest.mark.skipif(
    importlib.util.find_spec("trax") is None, reason="vot-trax is not installed here; `make setup` installs it"
)
needs_toolkit = pytest.mark.skipif(
    importlib.util.find_spec("vot") is None, reason="vot-toolkit is not installed here; `make setup` installs it"
)


def environment() -> dict[str, str]:
    paths = [str(SIDE.parent), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "MPLBACKEND": "agg"}


def test_the_zoo_is_listed_for_vot_toolkit(tmp_path: Path) -> None:
    path = tmp_path / "trackers.ini"
    write_trackers_ini(path, device="cpu")
    listed = configparser.ConfigParser()  # which is what vot-toolkit reads it with
    listed.read(path)
    assert listed.sections() == list(read_zoo())
    for name in listed.sections():
        assert listed[name]["protocol"] == "trax"
        command = shlex.split(listed[name]["command"])
        assert command[0] == sys.executable
        assert command[3:] == ["trax", "--tracker", name, "--device", "cpu"]


def test_odd_paths_survive_the_list(tmp_path: Path) -> None:
    text = trackers_ini({"mine": "/my runs/100%/a b.safetensors"}, python="/opt/py 3/python")
    listed = configparser.ConfigParser()
    listed.read_string(text)
    command = shlex.split(listed["mine"]["command"])
    assert command[0] == "/opt/py 3/python"
    assert command[command.index("--tracker") + 1] == "/my runs/100%/a b.safetensors"


def test_a_list_of_other_trackers_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "trackers.ini"
    path.write_text("[theirs]\ncommand = theirs\n")
    with pytest.raises(ConfigError, match="exists already and may list other trackers"):
        write_trackers_ini(path)
    assert path.read_text() == "[theirs]\ncommand = theirs\n"


@pytest.mark.parametrize("name", ["a b", "x.y", ""])
def test_names_that_vot_toolkit_does_not_take_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="takes no tracker called"):
        trackers_ini({name: "siamfc"})


def test_without_vot_trax_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "trax", None)  # what an import of a missing package meets
    monkeypatch.setitem(COMMANDS, "trax", ("siam_tracker_core.commands.trax", ""))
    assert main(["trax", "--tracker", "siamfc"]) == 1
    assert "pip install vot-trax" in capsys.readouterr().err


@needs_trax
def test_targets_come_as_rectangles_or_polygons() -> None:
    import trax

    assert bridge.target_box(trax.Rectangle.create(3, 4, 50, 60)) == Box(3, 4, 50, 60)
    diamond = trax.Polygon.create([(10.0, 0.0), (20.0, 10.0), (10.0, 20.0), (0.0, 10.0)])
    box = bridge.target_box(diamond)
    assert box.centre == pytest.approx((10, 10))
    assert box.area == pytest.approx(200), "as large as the diamond"
    with pytest.raises(BoxError, match="not as a special region"):
        bridge.target_box(trax.Special.create(1))


@needs_trax
def test_images_come_as_files_in_memory_or_encoded(tmp_path: Path) -> None:
    import trax

    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    _, encoded = cv2.imencode(".png", image)
    for sent in (
        trax.FileImage.create(str(tmp_path / "a.png")),
        trax.MemoryImage.create(image[..., ::-1]),  # TraX sends RGB
        trax.BufferImage.create(encoded.tobytes()),
    ):
        np.testing.assert_array_equal(bridge.decode_image(sent), image)
    grey = bridge.decode_image(trax.MemoryImage.create(image[..., 0].copy()))
    np.testing.assert_array_equal(grey, np.repeat(image[..., :1], 3, axis=2))
    with pytest.raises(ImageError, match="cannot be decoded"):
        bridge.decode_image(trax.BufferImage.create(b"\xff\xd8\xff" + bytes(40)))
    with pytest.raises(ImageError, match="not as url"):
        bridge.decode_image(trax.URLImage.create("file:///nowhere"))


@needs_trax
def test_a_session_answers_every_request(tmp_path: Path) -> None:
    """A scripted client in place of the one in vot-toolkit: what is answered to what."""
    import trax

    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((20, 30, 3), np.uint8))
    image = {"color": trax.FileImage.create(str(tmp_path / "a.png"))}
    answers = iter([SimpleNamespace(box=Box(2, 2, 3, 4), score=0.25), None])
    tracker = SimpleNamespace(init=lambda image, box: None, update=lambda image: next(answers))
    status = trax.TraxStatus
    requests = iter(
        [
            SimpleNamespace(type=status.INITIALIZE, image=image, objects=[(trax.Rectangle.create(1, 1, 5, 6), {})]),
            SimpleNamespace(type=status.FRAME, image=image, objects=None),
            SimpleNamespace(type=status.FRAME, image=image, objects=None),
            SimpleNamespace(type=status.QUIT, image=None, objects=None),
        ]
    )
    sent = []
    server = SimpleNamespace(wait=lambda: next(requests), status=lambda objects: sent.append(objects[0]))
    bridge._session(trax, server, tracker)
    assert [region.bounds() for region, _ in sent] == [(1, 1, 5, 6), (2, 2, 3, 4), (2, 2, 3, 4)]
    assert [properties for _, properties in sent] == [{}, {"confidence": "0.250000"}, {}]


@needs_trax
def test_without_a_client_the_command_says_who_starts_it() -> None:
    script = "import sys; from siam_tracker_core.commands.trax import trax; trax('kcf')"
    answer = subprocess.run(
        [sys.executable, "-c", script], env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert answer.returncode == 1
    assert "ConfigError: the TraX client is not there, or went away" in answer.stderr
    assert "vot-toolkit starts siam-tracker trax itself" in answer.stderr


def run_toolkit(folder: Path) -> subprocess.CompletedProcess[str]:
    """Let vot-toolkit run siamfc once over every sequence of a workspace."""
    (folder / "stack.yaml").write_text("title: x\nexperiments: {baseline: {type: unsupervised, repetitions: 1}}\n")
    (folder / "config.yaml").write_text("registry: [./trackers.ini]\nstack: ./stack.yaml\n")
    write_trackers_ini(folder / "trackers.ini", {"siamfc": "siamfc"}, device="cpu")
    command = [sys.executable, str(SIDE), "run", str(folder), "siamfc"]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)


def write_sequences(folder: Path, truth: dict[str, list[list[int]]], frames: list[np.ndarray]) -> None:
    for name, lines in truth.items():
        here = folder / "sequences" / name
        (here / "color").mkdir(parents=True)
        for number, frame in enumerate(frames, start=1):
            cv2.imwrite(str(here / "color" / f"{number:08d}.png"), frame)
        (here / "sequence").write_text("channels.color=color/%08d.png\nfps=30\n")
        (here / "groundtruth.txt").write_text("".join(",".join(map(str, line)) + "\n" for line in lines))
    (folder / "sequences" / "list.txt").write_text("".join(f"{name}\n" for name in truth))


@pytest.mark.slow
@needs_toolkit
def test_vot_toolkit_runs_siamfc(tmp_path: Path) -> None:
    made = made_sequence(frames=10, size=(320, 240), seed=4)
    rows = np.round(made.boxes).astype(int)
    corners = [[x, y, x + w, y, x + w, y + h, x, y + h] for x, y, w, h in rows]
    write_sequences(tmp_path, {"rectangles": rows.tolist(), "polygons": corners}, made.frames)
    answer = run_toolkit(tmp_path)
    assert answer.returncode == 0, answer.stderr[-3000:]
    files = json.loads(answer.stdout.splitlines()[-1])
    tracker = load_tracker("siamfc", device="cpu")
    for sequence in read_vot(tmp_path):
        lines = files[f"results/siamfc/baseline/{sequence.name}/{sequence.name}_001.txt"]
        assert lines[0] == "1"
        theirs = [[float(value) for value in line.split(",")] for line in lines[1:]]
        ours = run_sequence(tracker, sequence).predicted[1:]
        np.testing.assert_allclose(theirs, ours, atol=1e-3)  # TraX sends four decimals


@pytest.mark.slow
@needs_toolkit
def test_vot_toolkit_is_told_what_is_wrong_with_a_target(tmp_path: Path) -> None:
    write_sequences(tmp_path, {"outside": [[500, 500, 20, 20]] * 2}, [np.zeros((120, 160, 3), np.uint8)] * 2)
    answer = run_toolkit(tmp_path)
    assert answer.returncode != 0
    assert "lies outside the 160x120 image" in answer.stderr
