"""What is required is enough: the wheel in an environment of its own requirements, and each extra by itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from siam_tracker_core.zoo_entries import DEFAULT_TRACKER

# Requirements by the key of rosdep that brings them; the others are named for pip.
ROSDEP = {
    "aiohttp": "python3-aiohttp",
    "jinja2": "python3-jinja2",
    "joblib": "python3-joblib",
    "markupsafe": "python3-jinja2",  # which needs it; rosdep has no key for it
    "matplotlib": "python3-matplotlib",
    "numpy": "python3-numpy",
    "opencv-contrib-python-headless": "python3-opencv",
    "pillow": "python3-pil",
    "pyyaml": "python3-yaml",
    "rosbags": "python3-rosbags-pip",
    "torch": "python3-torch",
    "tqdm": "python3-tqdm",
}

# What a user of an extra gets, by the modules that it is for.
PROMISED = {
    "cluster": ["siam_tracker_core.evaluation.workers", "distributed", "dask"],
    "demo": ["siam_tracker_core.datasets.made", "skimage"],
    "evaluation": ["siam_tracker_core.tuning.search", "siam_tracker_core.evaluation.vot", "shapely"],
    "train": [
        "siam_tracker_core.commands.train",
        "siam_tracker_core.commands.pretrain",
        "siam_tracker_core.commands.calibrate",
        *(f"siam_tracker_core.training.{paper}" for paper in ("dsiam", "mdnet", "siamfc", "siamrpn", "srt")),
    ],
    "vot": ["siam_tracker_core.evaluation.vot.trax", "trax"],
}

# A square of noise that moves two pixels a frame over a grey ground.
TRACK = f"""
import json, sys
import numpy as np
from siam_tracker_core import load_tracker
tracker = load_tracker({DEFAULT_TRACKER!r}, device="cpu")
rng = np.random.default_rng(0)
square = np.kron(rng.integers(0, 255, (8, 8, 3)), np.ones((6, 6, 1))).astype(np.uint8)
def frame(n):
    image = np.full((240, 320, 3), 110, np.uint8)
    image[90:138, 100 + 2 * n : 148 + 2 * n] = square
    return image
tracker.init(frame(0), (100, 90, 48, 48))
box = [tracker.update(frame(n)) for n in range(1, 11)][-1].box
print(json.dumps([box.x + box.width / 2, box.y + box.height / 2]))
"""

# What a shell starts beside siam-tracker; none of it works without ROS.
PROGRAMS = [
    "tracker_node",
    "target_follower",
    "made_world",
    "follow_demo",
    "operator_console",
    "evaluate_bag",
    "replay",
]


# What each command's --help does: its exit status, and what it says on standard error.
HELP_OF_ALL = """
import contextlib, io, json
from siam_tracker_core.cli import main
from siam_tracker_core.commands.listing import COMMANDS
from siam_tracker_core.console.pages import static_files
told = {"pages": len(static_files())}
for command in COMMANDS:
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            status = main([command, *(["bash"] if command == "completion" else ["--help"])])
        except SystemExit as exit_:
            status = exit_.code
    told[command] = status, said.getvalue()
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def wheel(repository_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of the repository with the weights of the default tracker alone."""
    copy, out = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheel")
    kept = {f"{DEFAULT_TRACKER}.safetensors", "siamban_mobilenetv2.safetensors"}  # the former has the latter's tensors

    def large(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if name.endswith(".safetensors") and name not in kept} | {"__pycache__"}

    for name in ("siam_tracker_core", "siam_tracker_ros", "weights", "config", "launch", "exec", "resource"):
        shutil.copytree(repository_root / name, copy / name, ignore=large)
    zoo = copy / "weights" / "zoo.yaml"
    entry = yaml.safe_load(zoo.read_text(encoding="utf-8"))[DEFAULT_TRACKER]
    zoo.write_text(yaml.safe_dump({DEFAULT_TRACKER: entry}), encoding="utf-8")
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "package.xml", "README.md", "MANIFEST.in"):
        shutil.copy2(repository_root / name, copy / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-q"]
    built = subprocess.run([*command, "--wheel-dir", str(out), str(copy)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (made,) = out.glob("*.whl")
    return made


def closure(requirements: Iterable[str]) -> dict[str, Distribution]:
    """The installed distributions that requirements ask for, and what those ask for in turn."""
    found: dict[str, Distribution] = {}
    waiting = [(Requirement(each), "") for each in requirements]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        found[name] = distribution(name)
        for wanted in ("", *sorted(requirement.extras)):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                waiting += [(Requirement(each), wanted) for each in found[name].requires or ()]
    return found


def environment(folder: Path, wheel: Path, extra: str = "") -> Path:
    """The python of a fresh environment with the wheel and what it asks for, which is linked to and not copied."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    (packages,) = folder.glob("lib/python*/site-packages")
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "-q"]
    subprocess.run([*command, str(wheel)], check=True)
    (metadata,) = packages.glob("siam_tracker_ros-*.dist-info")
    requirements = Distribution.at(metadata).requires or []
    wanted = [each for each in map(Requirement, requirements) if _applies(each, extra)]
    for each in closure(
        str(Requirement(f"{r.name}[{','.join(r.extras)}]" if r.extras else r.name)) for r in wanted
    ).values():
        for file in each.files or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (packages / top).exists():
                (packages / top).symlink_to(Path(str(each.locate_file(top))))
    return python


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or any(requirement.marker.evaluate({"extra": each}) for each in ("", extra))


def run(program: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the environment's python, or a script of it, where nothing of the repository is in sight."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AMENT", "LD_"))}
    isolated = ["-I"] if program.name == "python" else []
    return subprocess.run(
        [str(program), *isolated, *arguments],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_the_wheel_alone_loads_the_default_and_tracks(wheel: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "bare", wheel)
    tracked = run(python, "-c", TRACK, folder=tmp_path)
    assert tracked.returncode == 0, tracked.stderr
    assert json.loads(tracked.stdout) == pytest.approx([144, 114], abs=4)
    listed = run(python, "-m", "siam_tracker_core.cli", "zoo", folder=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert DEFAULT_TRACKER in listed.stdout
    absent = run(python, "-c", "import sklearn", folder=tmp_path)  # else the environment proves nothing
    assert "No module named 'sklearn'" in absent.stderr
    asked = run(python, "-c", HELP_OF_ALL, folder=tmp_path)
    assert asked.returncode == 0, asked.stderr
    told = json.loads(asked.stdout)
    assert told.pop("pages") > 5
    assert {name for name, (status, _) in told.items() if status == 0} >= {
        "track",
        "serve",
        "completion",
        "zoo",
        "export",
    }
    for name, (status, said) in told.items():
        assert status == 0 or re.search(r"the package \w+ is not installed; pip install '\.\[\w+\]'", said), name
    for program in PROGRAMS:
        started = run(python.with_name(program), folder=tmp_path)
        assert started.returncode == 1, started.stderr
        assert started.stdout == ""
        (sentence,) = started.stderr.splitlines()
        assert sentence.startswith(f"{program} cannot start: rclpy of ROS 2 is not installed for {python}; "), sentence
        assert "source a ROS 2 distribution" in sentence
        assert "pip install '.[ros-wheels]' ./siam_tracker_msgs" in sentence


def test_the_programs_are_those_of_ros(repository_root: Path) -> None:
    """The scripts for `ros2 run` and the programs that the test above starts are the same ones."""
    assert sorted(file.name for file in (repository_root / "exec").iterdir()) == sorted(PROGRAMS)


def test_the_wheel_has_every_file_of_the_packages(wheel: Path, repository_root: Path) -> None:
    """Such as the console's page, which lies in a folder that is no package."""
    with ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    wanted = [
        file for package in ("siam_tracker_core", "siam_tracker_ros") for file in (repository_root / package).rglob("*")
    ]
    names = {file.relative_to(repository_root).as_posix() for file in wanted if file.is_file()}
    assert {name for name in names if "__pycache__" not in name} - inside == set()


@pytest.mark.slow
@pytest.mark.parametrize("extra", PROMISED)
def test_each_extra_alone_brings_what_it_is_for(extra: str, wheel: Path, tmp_path: Path) -> None:
    try:
        python = environment(tmp_path / extra, wheel, extra)
    except PackageNotFoundError as error:
        pytest.skip(f"the extra {extra} is not installed here: {error}")
    imported = run(python, "-c", "\n".join(f"import {name}" for name in PROMISED[extra]), folder=tmp_path)
    assert imported.returncode == 0, imported.stderr


def test_manifests_and_readme_name_what_setup_requires(repository_root: Path, wheel: Path) -> None:
    """Each requirement has a key of rosdep that package.xml names, or README and package.xml name it for pip."""
    with ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    wanted = [Requirement(line.partition(": ")[2]) for line in lines if line.startswith("Requires-Dist: ")]
    names = {canonicalize_name(each.name) for each in wanted if each.marker is None}
    manifest = (repository_root / "package.xml").read_text(encoding="utf-8")
    keys = {element.text for element in ElementTree.fromstring(manifest) if element.tag == "exec_depend"}
    assert {name: ROSDEP[name] for name in names & set(ROSDEP) if ROSDEP[name] not in keys} == {}
    for text in (manifest, (repository_root / "README.md").read_text(encoding="utf-8")):
        commands = re.findall(r"^ *pip install (?:--?[a-zA-Z-]+ )*((?:\"?[a-z][\w\[\]-]*\"? ?)+)", text, re.MULTILINE)
        assert names - set(ROSDEP) in [
            {canonicalize_name(word.strip('"').partition("[")[0]) for word in command.split()} for command in commands
        ], commands
