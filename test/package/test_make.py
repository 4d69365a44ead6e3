"""What `make test` and `make test-all` run, and that trouble in either half of the suite is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Takes down how it was called, and fails as a suite with failures does in the half that FAILING names.
PYTHON = """#!/bin/sh
echo "$@" >> "$CALLS"
case "$*" in *"$FAILING"*) exit 1 ;; esac
"""
DISTRIBUTED = "--numprocesses 2 --dist worksteal"
PARALLEL = f"{DISTRIBUTED} test/core test/package test/fuzz"
IN_ONE_PROCESS = "--ignore=test/core --ignore=test/package --ignore=test/fuzz"


def make(root: Path, folder: Path, *words: str, failing: str = "no such word") -> tuple[int, list[str]]:
    """The exit status of make, and the calls of a python that only takes them down."""
    python = folder / "bin" / "python"
    python.parent.mkdir(exist_ok=True)
    python.write_text(PYTHON, encoding="utf-8")
    python.chmod(0o755)
    calls = folder / "calls"
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    environment |= {"CALLS": str(calls), "FAILING": failing}
    command = ["make", "--silent", "--old-file=setup", *words, f"BIN={python.parent}"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, calls.read_text(encoding="utf-8").splitlines()


def test_both_halves_run_and_the_slow_tests_are_left_out(repository_root: Path, tmp_path: Path) -> None:
    status, calls = make(repository_root, tmp_path, "test")
    assert status == 0
    parallel, alone = sorted(calls, key=lambda call: DISTRIBUTED not in call)  # they run side by side
    assert parallel.endswith(PARALLEL)
    assert alone.endswith(IN_ONE_PROCESS)
    for call in (parallel, alone):
        assert "-m not slow" in call
        assert "--durations=20" in call


@pytest.mark.parametrize("failing", [PARALLEL, IN_ONE_PROCESS])
def test_a_failure_in_either_half_is_the_exit_status(repository_root: Path, tmp_path: Path, failing: str) -> None:
    status, calls = make(repository_root, tmp_path, "test", failing=failing)
    assert status != 0
    assert len(calls) == 2


def test_all_means_all_and_some_means_these(repository_root: Path, tmp_path: Path) -> None:
    _, calls = make(repository_root, tmp_path, "test-all", "ORDER=random")
    install, *suite = calls
    assert "pip install" in install
    assert "random-order" in install
    assert len(suite) == 2
    assert not [call for call in suite if "not slow" in call or "-p randomly" not in call]
    _, calls = make(repository_root, tmp_path, "test", "TESTS=test/core/test_crop.py -k size")
    assert calls[-1] == "-m pytest test/core/test_crop.py -k size"


@pytest.mark.slow
def test_a_worker_that_crashes_is_a_failure_of_its_test(tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    falls = "import os\ndef test_falls(): os._exit(3)\ndef test_after(): pass\n"
    (tmp_path / "test_falls.py").write_text(falls, encoding="utf-8")
    (tmp_path / "test_stands.py").write_text("def test_stands(): pass\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *DISTRIBUTED.split(), str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "crashed while running 'test_falls.py::test_falls'" in done.stdout
    assert "1 failed, 2 passed" in done.stdout
