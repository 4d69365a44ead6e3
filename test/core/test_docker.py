"""What can be said of images and workflows where nothing can build them: they name files and arguments that exist."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml


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
