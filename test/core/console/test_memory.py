"""What clients leave behind when they have gone: nothing."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

from made_session import Visitor, run, served

from siam_tracker_core.console.client import Client

_FEW = 10
_MOST_GROWTH = 2000  # bytes that a visit may leave on the average; one client with its picture takes far more


def clients() -> int:
    gc.collect()
    return sum(type(each) is Client for each in gc.get_objects())


def test_memory_is_flat_with_clients_that_come_and_go() -> None:
    with served() as (session, server):

        async def visits(visitor: Visitor) -> None:
            for number in range(_FEW):
                await visitor.come()
                await visitor.send(type="look", width=640)
                session.offer(stamp=number + 1, width=320)
                await visitor.next("picture")
                if number % 3:
                    await visitor.socket.close()
                else:  # without a goodbye
                    visitor.socket._response.connection.transport.abort()
            for _ in range(200):
                if not (session.feed.is_watched or session.watchers):
                    return
                await asyncio.sleep(0.02)
            raise AssertionError("it is still watched")

        run(server, visits)  # what is made once is made now
        tracemalloc.start()
        try:
            run(server, visits)
            assert clients() == 0
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(3):
                run(server, visits)
            assert clients() == 0
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert grown < 3 * _FEW * _MOST_GROWTH
