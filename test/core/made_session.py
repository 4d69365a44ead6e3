"""A session without a tracker, and a browser that is none, for tests of the server."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import numpy as np

from siam_tracker_core import TrackState
from siam_tracker_core.console import (
    Access,
    ConsoleServer,
    ConsoleSession,
    Description,
    Picture,
    RequestRefused,
    ServerOptions,
    Setting,
    Status,
    TargetView,
)
from siam_tracker_core.geometry import Box

TOKEN = "a-token-of-more-than-sixteen"


class MadeSession(ConsoleSession):
    """Remembers what it is asked, and offers a grey picture when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Any, ...]] = []
        self.watchers = 0
        self.now = Status(tracker="made")

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass

    def describe(self) -> Description:
        return Description("made", "camera", (Setting("speed", 1.0, "How fast.", 0.1, 8.0),), ("made",))

    def status(self) -> Status:
        return self.now

    def set_target(self, stamp: int, box: Box, target_id: int, label: str) -> int:
        self.asked.append(("set", stamp, box, target_id, label))
        if box.width < 1:
            raise RequestRefused("the target box is empty")
        return 7

    def rename_target(self, target_id: int, label: str) -> None:
        self.asked.append(("rename", target_id, label))

    def remove_target(self, target_id: int | None) -> int:
        self.asked.append(("remove", target_id))
        return 1

    def change_setting(self, name: str, value: object) -> None:
        self.asked.append(("setting", name, value))

    def change_tracker(self, name: str) -> None:
        self.asked.append(("tracker", name))
        raise MemoryError("a defect")

    def record(self, on: bool) -> str:
        self.asked.append(("record", on))
        return "folder"

    def watched(self, clients: int) -> None:
        self.watchers = clients

    def offer(self, stamp: int = 2**62 + 1, width: int = 64) -> None:
        pixels = np.full((48, width, 3), 90, np.uint8)
        target = TargetView(1, "cat", Box(1, 2, 3, 4), 0.5, TrackState.LOST, 9, "hidden")
        self.feed.offer(Picture(stamp, time.time(), lambda: pixels, (target,)))


@contextmanager
def served(token: str = "", **limits: int) -> Iterator[tuple[MadeSession, ConsoleServer]]:
    session = MadeSession()
    server = ConsoleServer(session, Access.of("127.0.0.1", 0, token), ServerOptions(**limits), "1")
    server.start()
    try:
        yield session, server
    finally:
        server.stop()


class Visitor:
    """A client that speaks as the page does."""

    def __init__(self, http: aiohttp.ClientSession, server: ConsoleServer) -> None:
        self._http = http
        self.url = f"http://127.0.0.1:{server.port}"
        self.socket: aiohttp.ClientWebSocketResponse

    async def come(self, origin: str | None = None, **headers: str) -> Visitor:
        if origin != "":
            headers["Origin"] = origin or self.url
        self.socket = await self._http.ws_connect(f"{self.url}/socket", headers=headers)
        return self

    async def send(self, **message: object) -> None:
        await self.socket.send_json(message)

    async def next(self, kind: str) -> dict[str, Any]:
        """The next message of a type; ``picture`` for a picture's header with its ``jpeg``."""
        return await asyncio.wait_for(self._find(kind), 60)

    async def _find(self, kind: str) -> dict[str, Any]:
        async for message in self.socket:
            if message.type is aiohttp.WSMsgType.BINARY and kind == "picture":
                length = struct.unpack(">I", message.data[:4])[0]
                return {**json.loads(message.data[4 : 4 + length]), "jpeg": message.data[4 + length :]}
            if message.type is aiohttp.WSMsgType.TEXT and json.loads(message.data)["type"] == kind:
                return json.loads(message.data)
        raise AssertionError(f"the connection was closed before a {kind} came: {self.socket.close_code}")


def run(server: ConsoleServer, story: Callable[[Visitor], Awaitable[None]]) -> None:
    """Let a visitor act, without cookies of an earlier one."""

    async def play() -> None:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
            await story(Visitor(http, server))

    asyncio.run(play())
