"""Every module that can be run says in one sentence that ROS is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for file in sorted((ROOT / "siam_tracker_ros").rglob("*.py"))
    if '__name__ == "__main__"' in file.read_text(encoding="utf-8")
]


def test_those_that_the_documentation_names_are_among_them() -> None:
    assert {f"siam_tracker_ros.{name}" for name in ("demo", "benchmark", "node.main", "programs")} <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_in_one_sentence_that_ros_is_missing(module: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['rclpy'] = None\n", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    command = [sys.executable, "-m", module, *(["replay"] if module.endswith(".programs") else [])]
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    assert ended.stdout == ""
    (sentence,) = ended.stderr.splitlines()
    assert f" cannot start: rclpy of ROS 2 is not installed for {sys.executable}; source a ROS 2 distr" in sentence
