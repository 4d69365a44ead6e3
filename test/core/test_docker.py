"""What can be said of images and workflows where nothing can build them: they name files and arguments that exist."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Takes down how it was called, in place of a program that would change the machine.
STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
"""


def images(root: Path) -> list[Path]:
    return sorted((root / "docker").glob("Dockerfile*"))


def test_images_start_files_that_are_there_and_not_as_root(repository_root: Path) -> None:
    assert len(images(repository_root)) == 3
    for file in images(repository_root):
        text = file.read_text(encoding="utf-8")
        inside = set(re.findall(r"/opt/siam_tracker/source/(\S+?)[\"\s]", text))
        assert {"docker/install.sh", "docker/entrypoint.sh", "docker/healthy.sh"} <= inside
        assert all((repository_root / name).is_file() for name in inside)
        assert re.findall(r"^USER (\w+)", text, re.MULTILINE)[-1] != "root"
        assert "HEALTHCHECK" in text


@pytest.mark.parametrize("folder", ["docker", "scripts"])
def test_shell_scripts_parse(repository_root: Path, folder: str) -> None:
    for file in sorted((repository_root / folder).glob("*.sh")):
        assert subprocess.run(["bash", "-n", str(file)], check=False).returncode == 0, file


@pytest.mark.parametrize("index", ["none", "https://torch.invalid/whl"])
def test_the_images_script_installs_in_the_order_that_pip_needs(
    index: str, repository_root: Path, tmp_path: Path
) -> None:
    """Run in a copy, below a folder that stands for /opt, with programs that only take down how they were called."""
    opt, programs = tmp_path / "opt", tmp_path / "programs"
    source = opt / "siam_tracker" / "source"
    shutil.copytree(repository_root / "docker", source / "docker")
    (opt / "ros" / "jazzy").mkdir(parents=True)
    (opt / "ros" / "jazzy" / "setup.bash").touch()
    programs.mkdir()
    for name in ("apt-get", "rosdep", "pip", "colcon", "useradd", "rm"):
        (programs / name).write_text(STAND_IN, encoding="utf-8")
        (programs / name).chmod(0o755)
    script = source / "docker" / "install.sh"
    script.write_text(script.read_text(encoding="utf-8").replace("/opt/", f"{opt}/"), encoding="utf-8")
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls"), "ROS_DISTRO": "jazzy"}
    subprocess.run(["bash", str(script), index], env=environment, check=True)
    calls = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    torch = [f"pip install --index-url {index} torch"] if index != "none" else []
    locked = "pip install --ignore-installed --require-hashes --requirement docker/requirements.lock"
    assert [call for call in calls if call.startswith("pip")] == [locked, *torch]
    assert [call.split()[0] for call in calls if not call.startswith(("pip", "apt-get"))] == [
        "rosdep",
        "rosdep",
        "colcon",
        "rm",
        "useradd",
    ]
    assert calls.index(locked) < next(place for place, call in enumerate(calls) if call.startswith("rosdep install"))
    assert (source / locked.split()[-1]).is_file()


def test_the_lock_has_a_hash_of_everything_and_the_tested_versions(repository_root: Path) -> None:
    text = (repository_root / "docker" / "requirements.lock").read_text(encoding="utf-8")
    locked = {
        canonicalize_name(Requirement(entry.split("--hash")[0]).name): entry
        for entry in re.sub(r"\\\n\s*", " ", text).splitlines()
    }
    wanted = (repository_root / "docker" / "requirements.in").read_text(encoding="utf-8").splitlines()
    names = {canonicalize_name(Requirement(line).name) for line in wanted if not line.startswith("#")}
    readme = (repository_root / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^pip install --ignore-installed (.*)$", readme, re.MULTILINE)
    assert {canonicalize_name(Requirement(word.strip('"')).name) for word in line.split()} == names <= set(locked)
    pins = (repository_root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    tested = {canonicalize_name(each.partition("==")[0]): each.partition("==")[2].split(";")[0] for each in pins}
    for name, entry in locked.items():
        assert re.search(r"==(\S+)", entry)[1] == tested[name], name
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), name
    assert "://" not in text  # whose mirror the files come from is the user's choice


def test_launch_arguments_of_images_are_declared(repository_root: Path) -> None:
    launch = (repository_root / "launch" / "tracker.launch.py").read_text(encoding="utf-8")
    parameters = yaml.safe_load((repository_root / "config" / "tracker_node.yaml").read_text(encoding="utf-8"))
    known = set(re.findall(r'DeclareLaunchArgument\(\s*"(\w+)"', launch)) | set(*_parameters(parameters))
    compose = yaml.safe_load((repository_root / "docker" / "compose.yaml").read_text(encoding="utf-8"))
    commands = [service["command"] for service in compose["services"].values()]
    for file in images(repository_root):
        commands += [json.loads(line) for line in re.findall(r"^CMD (\[.*\])", file.read_text("utf-8"), re.MULTILINE)]
    given = {word.partition(":=")[0] for words in commands if words[1] == "launch" for word in words if ":=" in word}
    assert given
    assert given <= known


def _parameters(file: dict[str, dict[str, dict[str, object]]]) -> list[set[str]]:
    return [set(node["ros__parameters"]) for node in file.values()]


def test_workflows_call_targets_and_scripts_that_are_there(repository_root: Path) -> None:
    makefile = (repository_root / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    called, scripts = set(), set()
    for file in (repository_root / ".github" / "workflows").glob("*.yml"):
        jobs = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"]
        for step in (step for job in jobs.values() for step in job["steps"]):
            called |= set(re.findall(r"\bmake ([a-z-]+)", step.get("run", "")))
            scripts |= set(re.findall(r"/source/(scripts/\S+\.sh)", step.get("run", "")))
    assert {"lint", "test-all", "docs", "soak"} <= called <= targets
    assert scripts
    assert all((repository_root / script).is_file() for script in scripts)
