"""The node's life: transitions, failures to start, compressed images."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from tracker_graph import TRACKER, Camera, Graph, Inbox, Scene, box_of, wait_until

from siam_tracker_ros.client import TrackerClient, TrackerError
from siam_tracker_ros.node_process import NodeProcess


@pytest.fixture
def environment(ros_environment: Mapping[str, str]) -> dict[str, str]:
    return dict(ros_environment, OMP_NUM_THREADS="1")


@pytest.fixture
def graph() -> Iterator[Graph]:
    graph = Graph()
    yield graph
    graph.close()


def test_a_whole_life_with_compressed_images(graph: Graph, environment: dict[str, str], tmp_path: Path) -> None:
    # without a /clock, and with a key that is none
    parameters = {"autostart": False, "device": "cpu", "diagnostics_period": 0.2, "use_sim_time": True, "max_target": 3}
    scene = Scene()
    with (
        NodeProcess(parameters, environment=environment) as node,
        TrackerClient(graph.node, TRACKER) as client,
        Inbox(graph, DiagnosticArray, "/diagnostics") as diagnostics,
    ):
        # Unconfigured: it answers, and an impossible transition is refused, not fatal.
        wait_until(lambda: diagnostics.messages, 180.0)
        assert graph.state() == "unconfigured"
        assert "the parameter max_target that was given at start is unknown" in node.log()
        assert "did you mean max_targets?" in node.log()
        with pytest.raises(TrackerError, match="unconfigured; configure and activate the node first"):
            client.set_target(scene.box(0))
        assert not graph.change("activate")
        assert graph.state() == "unconfigured"

        # A configuration that fails is said in words, and another attempt may succeed.
        missing = tmp_path / "none.safetensors"
        assert graph.set_parameter("weights", str(missing)) == ""
        assert not graph.change("configure")
        assert graph.state() == "unconfigured"
        assert f"weights file {missing} does not exist" in node.log()
        wait_until(lambda: diagnostics.messages[-1].status[0].level == DiagnosticStatus.ERROR)
        assert str(missing) in diagnostics.messages[-1].status[0].message
        with pytest.raises(TrackerError, match="does not exist"):
            client.set_target(scene.box(0))
        assert graph.set_parameter("weights", "") == ""
        assert graph.set_parameter("image_transport", "compressed") == ""
        assert graph.change("configure")
        assert graph.state() == "inactive"
        with pytest.raises(TrackerError, match="not active; activate the node first"):
            client.set_target(scene.box(0))
        assert "cannot change while the node is inactive" in graph.set_parameter("weights", str(missing))

        # Active: it listens and tracks.
        camera = Camera(graph, "/image/compressed", compressed=True)
        assert not camera.heard
        assert graph.change("activate")
        client.wait_until_ready()
        camera.wait_connected(node)
        with pytest.raises(TrackerError, match="no image has been received yet on /image/compressed"):
            client.set_target(scene.box(0))
        wait_until(lambda: "no image has been received on /image/compressed, although it has" in node.log())
        first = camera.send(camera.message(scene.image(0)))
        target = client.set_target(scene.box(0), stamp=first)
        message = camera.send(camera.message(scene.image(1)))
        assert box_of(client.wait_for_track(target, message)).iou(scene.box(1)) > 0.5
        broken = camera.message(scene.image(2))
        broken.data = broken.data[:200]
        camera.send(broken)
        assert client.wait_for_track(target, broken).score == 0

        # A pause keeps the target, a clean-up forgets it.
        assert graph.change("deactivate")
        assert "deactivated; 1 target is kept" in node.log()
        wait_until(lambda: not camera.heard)
        assert graph.change("activate")
        camera.wait_connected(node)
        message = camera.send(camera.message(scene.image(3)))
        assert box_of(client.wait_for_track(target, message)).iou(scene.box(3)) > 0.5
        assert graph.change("deactivate")
        assert graph.change("cleanup")
        assert graph.state() == "unconfigured"
        assert graph.change("configure")
        assert graph.change("activate")
        camera.wait_connected(node)
        assert client.remove_all() == 0
        assert graph.change("active_shutdown")
        assert graph.state() == "finalized"
        assert "Traceback" not in node.log()
        assert node.stop() == 0, node.log()


def test_impossible_values_at_start_are_one_clear_sentence(environment: dict[str, str], tmp_path: Path) -> None:
    torn = tmp_path / "torn.yaml"
    torn.write_text("siam_tracker: [")
    cases = [
        ({"stamp_patience": 1}, (), "the parameter stamp_patience cannot be 1; expected a number with a decimal point"),
        ({"tracker": "nosuch"}, (), "the parameter tracker cannot be 'nosuch'; expected cascade or "),
        ({}, ("--params-file", str(torn)), str(torn)),
    ]
    nodes = [NodeProcess(given, environment=environment, arguments=more) for given, more, _ in cases]
    for node, (given, _, words) in zip(nodes, cases, strict=True):
        with node:
            assert node.wait(180.0) == 1, given
            assert "tracker_node cannot start: " in node.log()
            assert words in node.log()
            assert "Traceback" not in node.log()


@pytest.mark.slow
def test_missing_message_types_are_one_clear_sentence() -> None:
    program = (
        "import sys; sys.modules['siam_tracker_msgs'] = None\n"
        "from siam_tracker_ros.node.main import main\n"
        "sys.exit(main([]))"
    )
    root = Path(__file__).resolve().parents[3]
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=180, env=dict(os.environ)
    )
    assert run.returncode == 1
    assert "pip install ./siam_tracker_msgs" in run.stderr
    assert "colcon build --base-paths src/<repository> src/<repository>/siam_tracker_msgs" in run.stderr
    assert "Traceback" not in run.stderr
