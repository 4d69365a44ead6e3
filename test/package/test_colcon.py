"""The package as colcon builds it: beside its interfaces, without them, and in a workspace above."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest
import yaml
from setup_file import load_setup


def without_interfaces(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let setup.py find no siam_tracker_msgs, wherever this environment has it."""
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    for variable in ("AMENT_PREFIX_PATH", "COLCON_PREFIX_PATH", "CMAKE_PREFIX_PATH"):
        monkeypatch.delenv(variable, raising=False)


def test_colcon_in_the_repository_is_told_of_both_packages(repository_root: Path) -> None:
    defaults = yaml.safe_load((repository_root / "colcon_defaults.yaml").read_text(encoding="utf-8"))
    for verb in ("build", "test"):
        paths = defaults[verb]["base-paths"]
        names = [ElementTree.parse(repository_root / path / "package.xml").findtext("name") for path in paths]
        assert names == ["siam_tracker_ros", "siam_tracker_msgs"]


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
