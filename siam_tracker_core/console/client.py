"""One browser that is connected: its pictures at its own pace, and its requests."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine

from aiohttp import WSCloseCode, WSMsgType, web

from siam_tracker_core import ResponseMap
from siam_tracker_core.console import protocol
from siam_tracker_core.console.encoding import NAMED, Encoder, highest_step
from siam_tracker_core.console.pace import Pace
from siam_tracker_core.console.picture import Picture
from siam_tracker_core.console.session import ConsoleSession, Notice
from siam_tracker_core.errors import SiamTrackerError
from siam_tracker_core.geometry import Box

_REQUESTS_AT_ONCE = 4
_MISTAKES_ALLOWED = 10  # malformed messages until the connection is closed
_SEND_TIMEOUT = 10.0  # seconds until a client that takes nothing is given up


class Client:
    """Serves one WebSocket.

    Args:
        socket: prepared.
        session: what it sees and controls.
        encoder: shared with all other clients.
        changed: called when the client begins or ceases to look at pictures or at a response map.
        answered: called when a request of it was answered.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        session: ConsoleSession,
        encoder: Encoder,
        changed: Callable[[], None],
        answered: Callable[[], None],
    ) -> None:
        self._socket = socket
        self._session = session
        self._encoder = encoder
        self._changed = changed
        self._answered = answered
        self._loop = asyncio.get_running_loop()
        self._pace = Pace()
        self._wake = asyncio.Event()
        self._look: protocol.Look | None = None
        self._last = 0  # number of the picture that was sent last; 0 where that is to be sent again
        self._requests: set[asyncio.Task[None]] = set()
        self._mistakes = 0

    @property
    def is_looking(self) -> bool:
        """Whether it wants pictures."""
        return self._look is not None and not self._look.paused

    @property
    def response(self) -> int | None:
        """The target whose response map it looks at (0: the first), or None."""
        return self._look.response if self._look is not None and self.is_looking else None

    async def serve(self) -> None:
        """Until the browser leaves."""
        self._session.feed.watch(self._tell)
        self._session.listen(self._pass_on)
        pictures = asyncio.create_task(self._send_pictures())
        try:
            await self._receive()
        finally:
            self._session.feed.leave(self._tell)
            self._session.unlisten(self._pass_on)
            pictures.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError, SiamTrackerError):
                await pictures

    async def send(self, text: str) -> None:
        """Send a text; a client that takes nothing for a while is given up."""
        try:
            await asyncio.wait_for(self._socket.send_str(text), _SEND_TIMEOUT)
        except (asyncio.TimeoutError, ConnectionError):
            await self.close(WSCloseCode.TRY_AGAIN_LATER, "the connection is too slow")

    async def close(self, code: int, reason: str) -> None:
        """End the connection."""
        with contextlib.suppress(ConnectionError, asyncio.TimeoutError):
            await asyncio.wait_for(self._socket.close(code=code, message=reason.encode()[:120]), 1.0)

    def _tell(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._wake.set)

    def _pass_on(self, notice: Notice) -> None:
        def send() -> None:
            self._spawn(self.send(protocol.notice_message(notice)))

        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(send)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _receive(self) -> None:
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                await self.close(WSCloseCode.UNSUPPORTED_DATA, "only text is taken")
                return
            try:
                await self._take(protocol.read_message(message.data))
            except protocol.MalformedMessage as error:
                self._mistakes += 1
                await self.send(protocol.answer(0, f"a message was not understood: {error}"))
                if self._mistakes > _MISTAKES_ALLOWED:
                    await self.close(WSCloseCode.POLICY_VIOLATION, "too many malformed messages")
                    return

    async def _take(self, message: protocol.ClientMessage) -> None:
        if isinstance(message, protocol.Shown):
            self._pace.shown(message.number)
            self._wake.set()
        elif isinstance(message, protocol.Look):
            if message != self._look:
                self._last = 0  # a picture that stands still shall be seen in the new way too
            self._look = message
            self._changed()
            self._wake.set()
        elif isinstance(message, protocol.Ping):
            await self.send(protocol.pong(message.time, time.time()))
        elif len(self._requests) >= _REQUESTS_AT_ONCE:
            await self.send(protocol.answer(message.request, "too many requests at once; wait for the answers"))
        else:
            self._spawn(self._answer(message))

    async def _answer(self, request: protocol.Request) -> None:
        try:
            target_id = await self._loop.run_in_executor(None, meet, self._session, request)
            reply = protocol.answer(request.request, "", target_id)
        except SiamTrackerError as error:
            reply = protocol.answer(request.request, str(error) or "the request was refused")
        except Exception as error:  # a defect must not leave the operator waiting
            reply = protocol.answer(request.request, f"the request failed because of a defect: {error!r}")
        await self.send(reply)
        self._answered()

    async def _send_pictures(self) -> None:
        while True:
            picture, look = self._session.feed.newest, self._look
            if (
                picture is None
                or look is None
                or look.paused
                or picture.number == self._last
                or not self._pace.is_ready
            ):
                self._wake.clear()
                with contextlib.suppress(asyncio.TimeoutError):  # looks again now and then for pictures that got lost
                    await asyncio.wait_for(self._wake.wait(), 1.0)
                continue
            self._last = picture.number
            await self._send_picture(picture, look)

    async def _send_picture(self, picture: Picture, look: protocol.Look) -> None:
        step = min(self._pace.step if look.quality == "auto" else NAMED[look.quality], highest_step(look.width))
        try:
            size, jpeg = await self._encoder.encode(picture, step)
        except (SiamTrackerError, ValueError):
            return  # the source says by itself what is wrong with its pictures
        self._pace.sent(picture.number)
        data = protocol.picture_message(picture, size, jpeg, chosen_response(picture, look.response))
        try:
            await asyncio.wait_for(self._socket.send_bytes(data), _SEND_TIMEOUT)
        except asyncio.TimeoutError:
            await self.close(WSCloseCode.TRY_AGAIN_LATER, "the connection is too slow")


def chosen_response(picture: Picture, wanted: int | None) -> tuple[int, ResponseMap] | None:
    """The response map that a client looks at, with its target; 0 for the first that there is."""
    if wanted is None or not picture.responses:
        return None
    target = next(iter(picture.responses)) if wanted == 0 else wanted
    return (target, picture.responses[target]) if target in picture.responses else None


def meet(session: ConsoleSession, request: protocol.Request) -> int:
    """Do what a request asks; gives the id of the target that was set, else 0.

    Raises:
        SiamTrackerError: with the session's own sentence, if it is refused.
    """
    if isinstance(request, protocol.SetTarget):
        return session.set_target(int(request.stamp), Box(*request.box), request.id, request.label)
    if isinstance(request, protocol.RenameTarget):
        session.rename_target(request.id, request.label)
    elif isinstance(request, protocol.RemoveTarget):
        session.remove_target(request.id or None)
    elif isinstance(request, protocol.ChangeSetting):
        session.change_setting(request.name, request.value)
    elif isinstance(request, protocol.ChangeTracker):
        session.change_tracker(request.name)
    elif isinstance(request, protocol.Play):
        session.play(request.action)
    else:
        session.record(request.on)
    return 0
