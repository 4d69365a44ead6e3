"""The tracking thread is killed in every way there is, and so is the whole node; the targets go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from bench import Bench
from diagnostic_msgs.msg import DiagnosticStatus
from tracker_graph import wait_until


@pytest.fixture
def fragile(ros_environment: Mapping[str, str], tmp_path: Path) -> Iterator[Bench]:
    with Bench(ros_environment, parameters={"hang_timeout": 2.0}, orders=tmp_path / "orders") as bench:
        yield bench


def test_a_tracking_thread_that_dies_hangs_or_has_no_memory_is_replaced(fragile: Bench) -> None:
    target = fragile.follow()
    other = fragile.client.set_target((200, 150, 40, 40), label="other", timeout=60.0)
    fragile.wait_tracked(target)
    assert fragile.orders is not None
    told = {
        "die": "the tracking thread died: it has ended",
        "hang": "the tracking thread hangs: it has been at one piece of work for 2.",
        "no memory": "the tracking thread is out of memory: told to have no memory",
    }
    for count, (order, words) in enumerate(told.items(), start=1):
        fragile.orders.write_text(order)
        wait_until(lambda words=words: words in fragile.node.log(), 30.0, words)
        fragile.wait_tracked(target)
        figures = fragile.figures()
        assert figures["tracking_thread_replaced"] == str(count)
        assert figures["level"] != DiagnosticStatus.ERROR
    assert f"target {other} is given up; it was seen last in" in fragile.node.log()  # with half of the targets
    assert fragile.figures()["targets"] == "1"
    assert fragile.client.set_target((200, 150, 40, 40)) > other


@pytest.mark.slow
def test_targets_come_back_after_an_unclean_death(ros_environment: Mapping[str, str], tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with Bench(ros_environment, parameters={"state_file": str(state)}) as bench:
        target = bench.follow()
        bench.wait_tracked(target)
        wait_until(state.exists, what="a state file")
        bench.node.send_signal(9)
        bench.node.wait(10.0)
        bench.restart()
        bench.wait_tracked(target)
        assert "1 targets of " in bench.node.log()
        assert bench.client.set_target((200, 150, 40, 40)) > target
        assert bench.node.stop() == 0
        assert not state.exists()  # a clean end leaves nothing to restore
