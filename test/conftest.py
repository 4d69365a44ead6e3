"""Fixtures that the whole suite shares, and a ROS environment of its own for every test process."""

from __future__ import annotations

import atexit
import os
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from siam_tracker_ros.domain import claim_domain

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

ROOT = Path(__file__).resolve().parents[1]
FASTDDS_PROFILE = ROOT / "config" / "fastdds_large_data.xml"


def _prepare_environment() -> tuple[int, IO[str]]:
    """Set what rclpy and Fast DDS read, before either is loaded; children of the tests inherit it."""
    domain_id, claim = claim_domain()
    log_dir = tempfile.mkdtemp(prefix="siam_tracker_ros_log_")
    owner = os.getpid()

    def remove_logs() -> None:
        if os.getpid() == owner:  # a forked child must not take the parent's folder away
            shutil.rmtree(log_dir, ignore_errors=True)

    atexit.register(remove_logs)
    os.environ.update(
        ROS_DOMAIN_ID=str(domain_id),
        # the default range also multicasts to the network
        ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST",
        RMW_IMPLEMENTATION="rmw_fastrtps_cpp",
        # jazzy reads the first name, newer distributions the second
        FASTRTPS_DEFAULT_PROFILES_FILE=str(FASTDDS_PROFILE),
        FASTDDS_DEFAULT_PROFILES_FILE=str(FASTDDS_PROFILE),
        ROS_LOG_DIR=log_dir,
    )
    if "PYTEST_XDIST_WORKER" not in os.environ:  # workers share what the process that started them has set
        # graphs of runtimes; the user's own stay as they are
        os.environ["XDG_CACHE_HOME"] = str(Path(log_dir) / "cache")
    os.environ.pop("ROS_LOCALHOST_ONLY", None)  # would override the discovery range
    return domain_id, claim


_DOMAIN_ID, _DOMAIN_CLAIM = _prepare_environment()


@pytest.fixture(scope="session")
def repository_root() -> Path:
    """The folder that holds package.xml."""
    return ROOT


@pytest.fixture(scope="session")
def free_domain_id() -> int:
    """This test process's own ROS_DOMAIN_ID, in 1..100; already set in os.environ."""
    return _DOMAIN_ID


@pytest.fixture(scope="session")
def ros_environment(free_domain_id: int) -> Mapping[str, str]:
    """The environment for child processes that take part in this test process's ROS graph.

    Copy it (`dict(ros_environment)`) before changing anything.
    """
    assert os.environ["ROS_DOMAIN_ID"] == str(free_domain_id), "a test changed ROS_DOMAIN_ID and left it changed"
    return dict(os.environ)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Research footage beside the repository; tests that need it are skipped where it is not."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real footage here: ../shared/data is not beside the repository")
    return folder


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController, error: object | None) -> None:
    """Say how a process of the suite ended that should not have: only its parent can know that it was killed."""
    if error:
        popen = node.gateway._io.popen
        try:
            status = popen.wait(5)
        except subprocess.TimeoutExpired:
            status = None
        name = f" ({signal.Signals(-status).name})" if status is not None and status < 0 else ""
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        told = f"exit status {status}{name}, at most {most} MiB of memory in a process"
        print(f"\n[{node.gateway.id}] {told}", flush=True)
