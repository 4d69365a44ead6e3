"""The node ends at any moment, in good order."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tracker_graph import TRACKER, Graph, wait_ready, wait_until

from siam_tracker_ros.client import TrackerClient, TrackerError
from siam_tracker_ros.node_process import NodeProcess

# Loads when it is allowed to. As in the node itself, signals are blocked before the first import that starts threads.
SLOW = """
import signal, sys, time
from pathlib import Path
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
from siam_tracker_ros.node import main, tracker_node
load = tracker_node.load_tracker
def slowly(*arguments, **options):
    while not Path(sys.argv[1]).exists():
        time.sleep(0.05)
    return load(*arguments, **options)
tracker_node.TrackerNode.__init__.__kwdefaults__["loader"] = slowly
sys.exit(main.main())
"""


def blocks_signals(node: NodeProcess) -> bool:
    """Whether the node's process has got as far as to hear signals by a thread of its own."""
    status = Path(f"/proc/{node.pid}/status").read_text()
    mask = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk")), 16)
    return bool(mask >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("moment", ["importing", "loading", "active"])
def test_the_node_ends_at_any_moment_without_a_traceback(
    ros_environment: Mapping[str, str], tmp_path: Path, moment: str
) -> None:
    go = tmp_path / "go"
    graph = Graph()
    try:
        with (
            NodeProcess(
                {"device": "cpu"}, environment=ros_environment, program=(sys.executable, "-c", SLOW, str(go))
            ) as node,
            TrackerClient(graph.node, TRACKER) as client,
        ):
            if moment == "importing":
                wait_until(lambda: blocks_signals(node), 60.0, "the thread that hears signals")
            else:
                wait_until(lambda: "loading the tracker" in node.log(), 60.0, "loading")
                with pytest.raises(TrackerError, match="is still loading; ask again once the node is active"):
                    client.set_target((1, 2, 30, 40), timeout=30.0)
            if moment == "active":
                go.touch()
                wait_ready(client, node)
            node.send_signal(signal.SIGINT)
            node.send_signal(signal.SIGTERM)
            assert node.wait(30.0) == 0, node.log()
            for word in ("Traceback", "exception", "Error"):
                assert word not in node.log(), node.log()
    finally:
        graph.close()


@pytest.mark.parametrize("program", ["siam_tracker_ros.console.main", "siam_tracker_ros.follower.main"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_other_nodes_end_while_they_import(ros_environment: Mapping[str, str], program: str, number: int) -> None:
    """Threads of a library that had been imported before the signals were blocked ended the process with a signal."""
    with NodeProcess({}, environment=ros_environment, program=(sys.executable, "-m", program)) as node:
        wait_until(lambda: blocks_signals(node), 60.0, "the thread that hears signals")
        node.send_signal(number)
        assert node.wait(30.0) == 0, node.log()
        assert node.log() == ""


def own_segments(pid: int) -> set[Path]:
    """Files of the middleware in shared memory that only this process has: the others are ports."""
    names = {line.split()[-1] for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if "/fastrtps_" in line}
    return {Path(name) for name in names if "_port" not in name}


@pytest.mark.parametrize("program", ["siam_tracker_ros.node.main", "siam_tracker_ros.console.main"])
def test_nothing_stays_in_shared_memory(ros_environment: Mapping[str, str], program: str) -> None:
    """A node that is started again and again would fill it: 64 MB each time with a profile for large images."""
    parameters = {"device": "cpu"} if "node" in program else {"port": 0}
    node = NodeProcess(parameters, environment=ros_environment, program=(sys.executable, "-m", program))
    with node:
        wait_until(lambda: "siam_tracker" in node.log() and own_segments(node.pid), 60.0, "the middleware's memory")
        wait_until(lambda: "waiting for images" in node.log() or "console of" in node.log(), 60.0, "the node")
        segments = own_segments(node.pid)
        assert segments
        assert node.stop() == 0, node.log()
        assert not [segment for segment in segments if segment.exists()], node.log()
