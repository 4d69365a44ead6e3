"""The package as pip and colcon see it."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

import siam_tracker_core
from siam_tracker_core import cli
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER

setuptools = pytest.importorskip("setuptools")

# Distributions whose modules have another name.
DISTRIBUTIONS = {
    "PIL": "Pillow",
    "cv2": "opencv-contrib-python-headless",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}
OPTIONAL_ROS = {"cv_bridge", "vision_msgs"}  # not among the wheels; used where they are found
OWN = {"siam_tracker_core", "siam_tracker_ros", "siam_tracker_msgs"}


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


def load_setup(root: Path, monkeypatch: pytest.MonkeyPatch, colcon: bool) -> tuple[ModuleType, dict[str, Any]]:
    """setup.py as a module, and what it handed to setuptools."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **keywords: given.update(keywords))
    monkeypatch.chdir(root)
    if colcon:
        monkeypatch.setenv("COLCON", "1")
    else:
        monkeypatch.delenv("COLCON", raising=False)
    spec = importlib.util.spec_from_file_location("siam_tracker_setup", root / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, given


def without_interfaces(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let setup.py find no siam_tracker_msgs, wherever this environment has it."""
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    for variable in ("AMENT_PREFIX_PATH", "COLCON_PREFIX_PATH", "CMAKE_PREFIX_PATH"):
        monkeypatch.delenv(variable, raising=False)


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


def test_colcon_in_the_repository_is_told_of_both_packages(repository_root: Path) -> None:
    defaults = yaml.safe_load((repository_root / "colcon_defaults.yaml").read_text(encoding="utf-8"))
    for verb in ("build", "test"):
        paths = defaults[verb]["base-paths"]
        names = [ElementTree.parse(repository_root / path / "package.xml").findtext("name") for path in paths]
        assert names == ["siam_tracker_ros", "siam_tracker_msgs"]


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
    left_out = {f"weights/{file.name}" for file in (repository_root / "weights").glob("*.safetensors")} - {default}
    assert set(whole) - set(module.shipped_files()) == left_out
    assert default in module.shipped_files()


def test_colcon_links_no_executable_that_it_would_then_write_through(
    repository_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, given = load_setup(repository_root, monkeypatch, colcon=True)
    assert "lib/siam_tracker_ros" not in dict(given["data_files"])


def test_colcon_without_the_interfaces_is_stopped_with_the_right_command(
    repository_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, _ = load_setup(repository_root, monkeypatch, colcon=True)
    without_interfaces(module, monkeypatch)
    name = repository_root.name

    monkeypatch.setenv("PWD", str(repository_root.parent))
    with pytest.raises(SystemExit) as stopped:
        module.require_interfaces()
    assert f"colcon build --base-paths {name} {name}/siam_tracker_msgs" in str(stopped.value)

    monkeypatch.delenv("PWD")
    with pytest.raises(SystemExit) as stopped:
        module.require_interfaces()
    assert f"colcon build --base-paths src/{name} src/{name}/siam_tracker_msgs" in str(stopped.value)


def test_colcon_with_the_interfaces_in_a_prefix_goes_on(
    repository_root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module, _ = load_setup(repository_root, monkeypatch, colcon=True)
    without_interfaces(module, monkeypatch)
    share = tmp_path / "share" / "siam_tracker_msgs"
    share.mkdir(parents=True)
    (share / "package.xml").write_text("<package/>")
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/nowhere{os.pathsep}{tmp_path}")
    module.require_interfaces()


def test_the_source_folder_of_the_interfaces_is_not_taken_for_the_package(
    repository_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, _ = load_setup(repository_root, monkeypatch, colcon=True)
    without_interfaces(module, monkeypatch)
    folder_only = importlib.util.spec_from_loader("siam_tracker_msgs", loader=None, is_package=True)
    monkeypatch.setattr(module, "find_spec", lambda name: folder_only)
    with pytest.raises(SystemExit, match="colcon build"):
        module.require_interfaces()


def test_pip_does_not_ask_for_the_interfaces(repository_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, _ = load_setup(repository_root, monkeypatch, colcon=False)
    without_interfaces(module, monkeypatch)
    module.require_interfaces()


def copy_of(root: Path, target: Path) -> Path:
    """The repository's sources, without environments, build folders and large files."""
    ignored = shutil.ignore_patterns(
        ".*", "build", "install", "log", "runs", "*.egg-info", "*.safetensors", "__pycache__"
    )
    shutil.copytree(root, target, ignore=ignored)
    return target


def colcon_environment() -> dict[str, str]:
    """This process's environment with the ROS prefix that colcon's CMake packages look for."""
    environment = dict(os.environ)
    if not environment.get("AMENT_PREFIX_PATH"):  # the wheels: all in the environment's own prefix
        environment["AMENT_PREFIX_PATH"] = environment["CMAKE_PREFIX_PATH"] = sys.prefix
    environment["PATH"] = sysconfig.get_path("scripts") + os.pathsep + environment.get("PATH", "")
    return environment


def without_the_messages(environment: dict[str, str]) -> dict[str, str]:
    """The environment less what `source install/setup.bash` said of siam_tracker_msgs, as under `colcon test`."""
    less = dict(environment)
    for variable in ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "COLCON_PREFIX_PATH", "PYTHONPATH"):
        places = [place for place in environment.get(variable, "").split(os.pathsep) if place]
        kept = [
            place
            for place in places
            if not Path(place, "share", "siam_tracker_msgs").is_dir() and not Path(place, "siam_tracker_msgs").is_dir()
        ]
        less[variable] = os.pathsep.join(kept)
    return less


needs_colcon = pytest.mark.skipif(
    shutil.which("colcon", path=colcon_environment()["PATH"]) is None
    or importlib.util.find_spec("ament_package") is None,
    reason="colcon and ament_cmake are not installed here",
)


@needs_colcon
def test_colcon_builds_both_packages_in_the_repository(repository_root: Path, tmp_path: Path) -> None:
    copy = copy_of(repository_root, tmp_path / "repository")
    built = subprocess.run(
        ["colcon", "build", "--event-handlers", "console_direct+", "--cmake-args", "-DBUILD_TESTING=OFF"],
        cwd=copy,
        env=colcon_environment(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert "2 packages finished" in built.stdout + built.stderr
    install = copy / "install"
    assert (install / "siam_tracker_msgs/share/siam_tracker_msgs/srv/SetTarget.srv").is_file()
    assert os.access(install / "siam_tracker_ros/lib/siam_tracker_ros/tracker_node", os.X_OK)
    assert (install / "siam_tracker_ros/share/siam_tracker_ros/launch/tracker.launch.py").is_file()


@needs_colcon
def test_colcon_in_a_workspace_above_says_what_is_missing(repository_root: Path, tmp_path: Path) -> None:
    if (Path(sys.prefix) / "share" / "siam_tracker_msgs" / "package.xml").is_file():
        pytest.skip("siam_tracker_msgs is installed in this environment, so that nothing is missing")
    copy_of(repository_root, tmp_path / "src" / "repository")
    built = subprocess.run(
        ["colcon", "build"],
        cwd=tmp_path,
        env={**without_the_messages(colcon_environment()), "PWD": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert built.returncode != 0
    assert "colcon build --base-paths src/repository src/repository/siam_tracker_msgs" in built.stdout + built.stderr
