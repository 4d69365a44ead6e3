"""The short form of the soak: everything befalls one node, one after the other, and it must be as before after each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from bench import Bench, Needs
from scenarios import SCENARIOS, survive
from tracker_graph import wait_until


@pytest.fixture(scope="module")
def bench(ros_environment: Mapping[str, str]) -> Iterator[Bench]:
    with Bench(ros_environment) as bench:
        yield bench
        assert bench.node.stop() == 0, bench.tail()


@pytest.fixture(scope="module")
def target(bench: Bench) -> int:
    return bench.follow()


@pytest.fixture(scope="module")
def before(bench: Bench, target: int) -> Needs:
    bench.wait_tracked(target)
    return bench.needs()


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_node_survives(bench: Bench, target: int, before: Needs, name: str) -> None:
    survive(bench, name, target)
    wait_until(lambda: bench.needs().descriptors <= before.descriptors + 8, what="the descriptors are given back")
    now = bench.needs()
    assert now.threads <= before.threads + 4  # the executor's threads come as they are needed
    assert now.memory < 1000  # 12 megapixels included
