"""Connections of strangers: no more than so many, and the oldest of them makes room."""

from __future__ import annotations

import asyncio

from aiohttp.web import Server
from aiohttp.web_protocol import RequestHandler

_GRACE = 10.0  # seconds that a stranger has to say who it is


class Visitors:
    """Limits the connections that have not shown who they are.

    A flood of idle connections then costs a few sockets and no more, and whoever may come in still gets in.

    Args:
        server: whose connections they are.
        limit: how many strangers there may be at once.
    """

    def __init__(self, server: Server, limit: int) -> None:
        self._limit = limit
        self._strangers: dict[RequestHandler, tuple[asyncio.Transport, asyncio.TimerHandle]] = {}
        made, lost = server.connection_made, server.connection_lost

        def connection_made(handler: RequestHandler, transport: asyncio.Transport) -> None:
            made(handler, transport)
            self._admit(handler, transport)

        def connection_lost(handler: RequestHandler, error: BaseException | None = None) -> None:
            lost(handler, error)
            self.recognise(handler)

        server.connection_made = connection_made  # type: ignore[method-assign]
        server.connection_lost = connection_lost  # type: ignore[method-assign,assignment]

    @property
    def count(self) -> int:
        """How many strangers there are."""
        return len(self._strangers)

    def recognise(self, handler: RequestHandler) -> None:
        """A connection has shown that it may be here, or is gone."""
        _, timer = self._strangers.pop(handler, (None, None))
        if timer is not None:
            timer.cancel()

    def _admit(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        if len(self._strangers) >= self._limit:
            self._dismiss(next(iter(self._strangers)))
        timer = asyncio.get_running_loop().call_later(_GRACE, self._dismiss, handler)
        self._strangers[handler] = (transport, timer)

    def _dismiss(self, handler: RequestHandler) -> None:
        transport, timer = self._strangers.pop(handler, (None, None))
        if timer is not None:
            timer.cancel()
        if transport is not None:
            transport.abort()
