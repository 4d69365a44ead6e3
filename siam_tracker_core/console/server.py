"""The web server: the page, its WebSocket, and a guard before both."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass

from aiohttp import WSCloseCode, web

from siam_tracker_core.console import protocol
from siam_tracker_core.console.access import Access
from siam_tracker_core.console.client import Client
from siam_tracker_core.console.encoding import Encoder
from siam_tracker_core.console.pages import LOGIN, SECURITY_HEADERS, static_files
from siam_tracker_core.console.session import ConsoleSession
from siam_tracker_core.console.visitors import Visitors
from siam_tracker_core.errors import ConfigError

_STATUS_PERIOD = 0.5  # seconds
_SHORTEST_PERIOD = 0.05  # seconds, after an answer that may have changed something
_MOST_FORM_BYTES = 2048
_PUBLIC = frozenset({"/login", "/login.css", "/icon.svg"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class ServerOptions:
    """Limits of a server.

    Attributes:
        max_clients: browsers that may be connected at once.
        max_strangers: connections that may be open without having shown that they may come in.

    Raises:
        ConfigError: if nobody could come in.
    """

    max_clients: int = 8
    max_strangers: int = 64

    def __post_init__(self) -> None:
        if self.max_clients < 1:
            raise ConfigError(f"max_clients is {self.max_clients}; give 1 or more browsers")


class ConsoleServer:
    """Serves one session from a thread of its own.

    Args:
        session: started and closed by its owner.
        access: who may come in.
        options: limits.
        version: of the package, for the page.
    """

    def __init__(
        self, session: ConsoleSession, access: Access, options: ServerOptions = ServerOptions(), version: str = ""
    ) -> None:
        self._session = session
        self._access = access
        self._options = options
        self._version = version
        self._clients: set[Client] = set()
        self._files = static_files()
        self._encoder = Encoder()
        self._visitors: Visitors | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._answered = asyncio.Event()
        self.port = access.port

    @property
    def link(self) -> str:
        """The address to open, with the token where there is one."""
        host = self._access.host
        return self._access.link("127.0.0.1" if host in ("0.0.0.0", "::") else host, self.port)  # nosec B104: compared, not bound

    @property
    def encoded(self) -> int:
        """How many JPEG files were made so far."""
        return self._encoder.count

    def start(self) -> None:
        """Listen; returns when the page can be opened.

        Raises:
            ConfigError: if the address cannot be listened on.
        """
        listening: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(listening)), name="console", daemon=True)
        self._thread.start()
        listening.result()

    def stop(self) -> None:
        """Tell the browsers, and end."""
        if self._loop is not None and self._thread is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(timeout=3.0)
        self._encoder.close()

    def application(self) -> web.Application:
        """The routes, behind the guard."""
        app = web.Application(middlewares=[self._guard], client_max_size=_MOST_FORM_BYTES)
        app.router.add_get("/socket", self._socket)
        app.router.add_get("/door", self._door)
        app.router.add_post("/login", self._login)
        for path in self._files:
            app.router.add_get(path, self._file)
        app.on_shutdown.append(self._dismiss_clients)
        return app

    async def _run(self, listening: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        runner = web.AppRunner(self.application(), access_log=None, keepalive_timeout=15.0, shutdown_timeout=1.0)
        try:
            await runner.setup()
            assert runner.server is not None
            self._visitors = Visitors(runner.server, self._options.max_strangers)
            tls = self._access.tls
            server = await self._loop.create_server(
                runner.server,  # type: ignore[arg-type]
                self._access.host,
                self._access.port,
                ssl=tls,
                ssl_handshake_timeout=10.0 if tls else None,
            )
        except (OSError, OverflowError, UnicodeError) as error:  # the last for what can be no name of a machine
            await runner.cleanup()
            where = f"{self._access.host}:{self._access.port}"
            reason = getattr(error, "strerror", None) or str(error)
            listening.set_exception(
                ConfigError(f"the console cannot listen on {where} ({reason}); give another address or port")
            )
            return
        self.port = server.sockets[0].getsockname()[1]
        listening.set_result(None)
        status = asyncio.create_task(self._tell_status())
        await self._stop.wait()
        status.cancel()
        server.close()
        await runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await self._checked(request, handler)
        except web.HTTPException as error:
            if error.status >= 400:
                error.text = f"{error.status}: {error.reason}"
            error.headers.update(SECURITY_HEADERS)
            raise
        if not response.prepared:
            response.headers.update(SECURITY_HEADERS)
        return response

    async def _checked(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._access.is_own_host(request.headers.get("Host", "")):
            raise web.HTTPForbidden(reason="this name is not the console's; open it by its address")
        if not self._access.token:
            self._recognise(request)
            return await handler(request)
        offered = request.query.get("token")
        if offered is not None and request.path == "/":
            return self._let_in(request) if self._access.knows(offered) else self._ask("That token is not right.")
        if request.path in _PUBLIC:
            return await handler(request)
        if not self._access.knows(request.cookies.get(self._access.cookie)):
            if request.path == "/":
                return self._ask("")
            raise web.HTTPUnauthorized(reason="a token is needed; open the link that the server printed")
        self._recognise(request)
        return await handler(request)

    def _recognise(self, request: web.Request) -> None:
        if self._visitors is not None:
            self._visitors.recognise(request.protocol)

    async def _login(self, request: web.Request) -> web.StreamResponse:
        if not self._access.is_own_origin(request.headers):
            raise web.HTTPForbidden(reason="the token came from another page")
        form = await request.post()
        right = self._access.knows(str(form.get("token", "")).strip())
        return self._let_in(request) if right else self._ask("That token is not right.")

    def _let_in(self, request: web.Request) -> web.Response:
        """Exchange the token for a cookie, so that it does not stay in the address."""
        self._recognise(request)
        response = web.Response(status=303, headers={"Location": "/"})
        if self._access.token:
            response.set_cookie(
                self._access.cookie,
                self._access.token,
                httponly=True,
                samesite="Strict",
                secure=self._access.tls is not None,
                max_age=30 * 24 * 3600,
            )
        return response

    @staticmethod
    def _ask(complaint: str) -> web.Response:
        return web.Response(text=LOGIN.replace("{complaint}", complaint), content_type="text/html", status=401)

    async def _file(self, request: web.Request) -> web.Response:
        body, kind = self._files[request.path]
        return web.Response(body=body, content_type=kind, charset="utf-8" if kind.startswith("text/") else None)

    async def _door(self, request: web.Request) -> web.Response:
        """Tells a page why its WebSocket was refused, which browsers keep to themselves."""
        self._check_room()
        return web.Response(text="come in")

    def _check_room(self) -> None:
        if len(self._clients) >= self._options.max_clients:
            raise web.HTTPServiceUnavailable(
                reason=f"{len(self._clients)} clients are connected, and no more are allowed; close one of them"
            )

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if not self._access.is_own_origin(request.headers):
            raise web.HTTPForbidden(reason="the connection was asked for by another page")
        self._check_room()
        socket = web.WebSocketResponse(max_msg_size=protocol.MAX_MESSAGE, heartbeat=10.0, compress=False, timeout=2.0)
        client = Client(socket, self._session, self._encoder, self._tell_watchers, self._answered.set)
        self._clients.add(client)  # before anything is awaited, so that the limit holds
        try:
            await socket.prepare(request)
            await client.send(await self._hello())
            await client.serve()
        finally:
            self._clients.discard(client)
            self._tell_watchers()
        return socket

    async def _hello(self) -> str:
        loop = asyncio.get_running_loop()
        description = await loop.run_in_executor(None, self._session.describe)
        return protocol.hello(description, self._session.history.recent(), self._version)

    def _tell_watchers(self) -> None:
        looking = [client for client in self._clients if client.is_looking]
        responses = [client.response for client in looking if client.response is not None]
        self._session.watched(len(looking))
        self._session.wants_response(responses[0] if responses else None)

    async def _tell_status(self) -> None:
        described = None
        loop = asyncio.get_running_loop()
        while True:
            began = time.monotonic()
            if self._clients:
                status = await loop.run_in_executor(None, self._session.status)
                text = protocol.status_message(status, len(self._clients), began)
                description = await loop.run_in_executor(None, self._session.describe)
                again = "" if description == described else await self._hello()
                described = description
                await asyncio.gather(*(self._tell(client, text, again) for client in list(self._clients)))
            await asyncio.sleep(_SHORTEST_PERIOD)
            rest = _STATUS_PERIOD - (time.monotonic() - began)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._answered.wait(), max(0.0, rest))
            self._answered.clear()

    @staticmethod
    async def _tell(client: Client, status: str, description: str) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):  # it has just left
            if description:
                await client.send(description)
            await client.send(status)

    async def _dismiss_clients(self, app: web.Application) -> None:
        await asyncio.gather(
            *(client.close(WSCloseCode.GOING_AWAY, "the console is shut down") for client in list(self._clients))
        )
