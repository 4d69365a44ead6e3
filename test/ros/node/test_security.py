"""The security policy allows what the running node does, and nothing that it does not do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tracker_graph import TRACKER, Graph, wait_until

from siam_tracker_ros.client import TrackerClient
from siam_tracker_ros.node_process import NodeProcess

POLICY = Path("config") / "security" / "siam_tracker.policy.xml"
# What the node has only with another image_transport, another distribution, simulated time or an optional package.
SOMETIMES = {"/camera/image_raw/compressed", "/clock", f"{TRACKER}/get_type_description", f"{TRACKER}/detections"}


def allowed(profile: ElementTree.Element, group: str, right: str) -> set[str]:
    elements = profile.findall(f"./{group}s[@{right}='ALLOW']/{group}")
    return {(element.text or "").strip().replace("~", TRACKER) for element in elements}


def test_the_policy_is_the_graph_of_the_node(repository_root: Path, ros_environment: Mapping[str, str]) -> None:
    (profile,) = ElementTree.parse(repository_root / POLICY).findall(".//profile")
    assert profile.attrib == {"ns": "/", "node": TRACKER.strip("/")}
    policy = {
        "subscribe": allowed(profile, "topic", "subscribe"),
        "publish": allowed(profile, "topic", "publish"),
        "reply": allowed(profile, "service", "reply"),
    }
    graph = Graph()
    node = graph.node
    ways: dict[str, Callable[[str, str], list[tuple[str, list[str]]]]] = {
        "subscribe": node.get_subscriber_names_and_types_by_node,
        "publish": node.get_publisher_names_and_types_by_node,
        "reply": node.get_service_names_and_types_by_node,
    }

    def used() -> dict[str, set[str]]:
        return {right: {name for name, _ in way(TRACKER.strip("/"), "/")} for right, way in ways.items()}

    def differences() -> list[str]:
        if TRACKER.strip("/") not in node.get_node_names():  # its services are known sooner than its name
            return [f"node {TRACKER}"]
        now = used()
        return [
            f"{right} {name}"
            for right in policy
            for name in now[right].symmetric_difference(policy[right])
            if name in now[right] or name not in SOMETIMES
        ]

    try:
        with (
            NodeProcess({"device": "cpu"}, {"image": "/camera/image_raw"}, ros_environment) as process,
            TrackerClient(node, TRACKER) as client,
        ):
            client.wait_until_ready(180.0)
            deadline = time.monotonic() + 10.0
            while differences() and process.exit_status() is None and time.monotonic() < deadline:
                time.sleep(0.1)
            assert differences() == []
    finally:
        graph.close()


@pytest.mark.slow
def test_an_enclave_that_is_not_there_is_one_clear_sentence(tmp_path: Path) -> None:
    environment = os.environ | {
        "ROS_SECURITY_ENABLE": "true",
        "ROS_SECURITY_STRATEGY": "Enforce",
        "ROS_SECURITY_KEYSTORE": str(tmp_path),
    }
    command = [sys.executable, "-m", "siam_tracker_ros.node.main", "--ros-args", "--enclave", "/siam_tracker"]
    root = Path(__file__).resolve().parents[3]
    run = subprocess.run(command, capture_output=True, text=True, timeout=180, env=environment, cwd=root)
    assert run.returncode == 1
    assert "tracker_node cannot start: " in run.stderr
    assert str(tmp_path) in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.skipif(
    "ROS_SECURITY_KEYSTORE" not in os.environ,
    reason="no keystore: the Fast DDS of the wheels has no DDS security; docs/security.md says how to run this",
)
def test_enforcement() -> None:
    """Where an ordinary ROS 2 and a keystore are, as docs/security.md makes it."""
    keystore = os.environ["ROS_SECURITY_KEYSTORE"]
    assert Path(keystore, "enclaves", "siam_tracker", "permissions.p7s").is_file()
    with NodeProcess({"device": "cpu"}, arguments=("--enclave", "/siam_tracker")) as process:
        wait_until(lambda: "waiting for images" in process.log(), 180.0, "an active node under enforcement")
