"""What the package says of itself: versions, requirements, and what is installed."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from setup_file import OWN, load_setup

import siam_tracker_core
from siam_tracker_core import cli
from siam_tracker_core.weights import shared_files
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER

# Distributions whose modules have another name.
DISTRIBUTIONS = {
    "PIL": "Pillow",
    "cv2": "opencv-contrib-python-headless",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}
OPTIONAL_ROS = {"cv_bridge", "vision_msgs"}  # not among the wheels; used where they are found


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported_modules(folder: Path) -> set[str]:
    """Top-level names of the modules that the files below a folder import and Python does not bring."""
    names: set[str] = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - OWN


def test_name_and_licence_agree_between_manifests_and_setup(
    repository_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, given = load_setup(repository_root, monkeypatch, colcon=False)
    main = ElementTree.parse(repository_root / "package.xml").getroot()
    messages = ElementTree.parse(repository_root / "siam_tracker_msgs" / "package.xml").getroot()
    citation = yaml.safe_load((repository_root / "CITATION.cff").read_text(encoding="utf-8"))
    assert main.findtext("name") == given["name"]
    assert main.findtext("license") == given["license"] == messages.findtext("license") == citation["license"]


def test_every_file_names_the_version_of_the_library(
    repository_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read by what uses each file, and not by the script that writes them."""
    wanted = siam_tracker_core.__version__
    assert versions_of(repository_root, monkeypatch) == dict.fromkeys(FILES_WITH_VERSION, wanted)
    for name in [*FILES_WITH_VERSION, "scripts/set_version.py", "siam_tracker_core/__init__.py", "README.md"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(repository_root / name, tmp_path / name)
    script = [sys.executable, str(tmp_path / "scripts" / "set_version.py")]
    subprocess.run([*script, "9.8.7"], check=True, capture_output=True)
    assert versions_of(tmp_path, monkeypatch) == dict.fromkeys(FILES_WITH_VERSION, "9.8.7")
    manifest = tmp_path / "package.xml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("9.8.7", "9.8.6"), encoding="utf-8")
    told = subprocess.run(script, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "package.xml 9.8.6" in told.stderr


FILES_WITH_VERSION = ["setup.py", "package.xml", "siam_tracker_msgs/package.xml", "siam_tracker_msgs/pyproject.toml"]
FILES_WITH_VERSION += ["CITATION.cff"]


def versions_of(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    project = (root / "siam_tracker_msgs" / "pyproject.toml").read_text(encoding="utf-8")
    return {
        "setup.py": load_setup(root, monkeypatch, colcon=False)[1]["version"],
        "package.xml": ElementTree.parse(root / "package.xml").findtext("version"),
        "siam_tracker_msgs/package.xml": ElementTree.parse(root / "siam_tracker_msgs/package.xml").findtext("version"),
        "siam_tracker_msgs/pyproject.toml": re.findall(r'^version = "(.*)"$', project, re.MULTILINE)[0],
        "CITATION.cff": yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))["version"],
    }


def test_the_changelog_has_a_section_for_the_version(repository_root: Path) -> None:
    text = (repository_root / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\d\S*) - ", text, re.MULTILINE)[0] == siam_tracker_core.__version__


def test_every_interface_file_is_generated_from(repository_root: Path) -> None:
    folder = repository_root / "siam_tracker_msgs"
    listed = set(re.findall(r'"((?:action|msg|srv)/\w+\.\w+)"', (folder / "CMakeLists.txt").read_text("utf-8")))
    there = {
        file.relative_to(folder).as_posix() for kind in ("action", "msg", "srv") for file in (folder / kind).iterdir()
    }
    assert listed == there


def test_every_imported_library_is_required_by_setup(repository_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, given = load_setup(repository_root, monkeypatch, colcon=False)
    wanted = [*given["install_requires"], *(line for extra in given["extras_require"].values() for line in extra)]
    required = {canonical(re.split(r"[\[<>=!;~ ]", line)[0]) for line in wanted}
    core = imported_modules(repository_root / "siam_tracker_core") - {"ament_index_python"}  # asked only where it is
    node = imported_modules(repository_root / "siam_tracker_ros")

    needed = {canonical(DISTRIBUTIONS.get(name, name)) for name in core}
    assert needed <= required
    # those of the node are libraries, or packages of ROS by their own names
    for name in node - core - OPTIONAL_ROS:
        distribution = canonical(DISTRIBUTIONS.get(name, name))
        assert distribution in required or f"ros-jazzy-{distribution}" in required, name


def test_what_is_missing_is_told_with_the_extra_that_brings_it(
    repository_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, given = load_setup(repository_root, monkeypatch, colcon=False)
    names = {"pytorch_lightning": "pytorch-lightning", "trax": "vot-trax"} | DISTRIBUTIONS
    for module, extra in cli._EXTRAS.items():
        lines = given["extras_require"][extra]
        assert canonical(names.get(module, module)) in {canonical(re.split(r"[\[<>=!;~ ]", line)[0]) for line in lines}


def test_every_ros_package_that_is_imported_is_declared(repository_root: Path) -> None:
    root = ElementTree.parse(repository_root / "package.xml").getroot()
    declared = {element.text for element in root if element.tag.endswith("depend")}
    modules = imported_modules(repository_root / "siam_tracker_ros") | imported_modules(repository_root / "launch")
    of_ros = {name for name in modules if name.endswith(("_msgs", "_interfaces")) or name in OPTIONAL_ROS}
    of_ros |= modules & {"rclpy", "ament_index_python", "launch", "launch_ros"} | {"siam_tracker_msgs"}
    assert of_ros <= declared


def test_every_requirement_is_pinned(repository_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, given = load_setup(repository_root, monkeypatch, colcon=False)
    pins = (repository_root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {canonical(line.partition("==")[0]) for line in pins if "==" in line}
    wanted = [*given["install_requires"], *(line for extra in given["extras_require"].values() for line in extra)]
    untested = {"tensorrt"}  # it needs a GPU, so no version of it was tested
    assert {canonical(re.split(r"[\[<>=!;~ ]", line)[0]) for line in wanted} <= pinned | untested
    assert "torch==2.13.0" in pins


def test_what_is_installed_is_there(repository_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, given = load_setup(repository_root, monkeypatch, colcon=False)
    files = dict(given["data_files"])
    share = "share/siam_tracker_ros"

    assert files["share/ament_index/resource_index/packages"] == ["resource/siam_tracker_ros"]
    assert files[share] == ["package.xml"]
    assert "launch/tracker.launch.py" in files[f"{share}/launch"]
    assert {"config/fastdds_large_data.xml", "config/tracker_node.yaml"} <= set(files[f"{share}/config"])
    for source in (source for sources in files.values() for source in sources):
        assert (repository_root / source).is_file()
    scripts = given["entry_points"]["console_scripts"]
    for executable in files["lib/siam_tracker_ros"]:
        assert os.access(repository_root / executable, os.X_OK)
        assert any(script.startswith(f"{Path(executable).name} = ") for script in scripts)
    for script in scripts:
        module = script.partition("= ")[2].partition(":")[0]
        assert (repository_root / module.replace(".", "/")).with_suffix(".py").is_file(), script


def test_a_wheel_for_release_has_the_weights_of_the_default_alone(
    repository_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, _ = load_setup(repository_root, monkeypatch, colcon=False)
    whole = module.shipped_files()
    monkeypatch.setenv("SIAM_TRACKER_WHEEL", "release")
    default = f"weights/{DEFAULT_TRACKER}.safetensors"
    shared = {f"weights/{name}" for name in shared_files(repository_root / default)}
    assert shared
    every = {f"weights/{file.name}" for file in (repository_root / "weights").glob("*.safetensors")}
    assert set(whole) - set(module.shipped_files()) == every - {default} - shared
    assert {default} | shared <= set(module.shipped_files())
