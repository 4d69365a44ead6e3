"""Nobody gets in who does not belong, and the pictures go on through all of it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import aiohttp
import pytest
from made_session import TOKEN, MadeSession, Visitor, run, served

from siam_tracker_core.console import Access, ConsoleServer
from siam_tracker_core.console.protocol import MAX_MESSAGE
from siam_tracker_core.errors import ConfigError


def status_of(server, path: str, method: str = "GET", **options: object) -> int:
    statuses = []

    async def ask(visitor: Visitor) -> None:
        async with visitor._http.request(method, visitor.url + path, allow_redirects=False, **options) as response:
            statuses.append(response.status)

    run(server, ask)
    return statuses[0]


def refusal_of(server, **headers: str) -> int:
    """The status with which a WebSocket is refused; 101 if it is not."""
    statuses = []

    async def come(visitor: Visitor) -> None:
        try:
            await visitor.come(**headers)
            statuses.append(101)
        except aiohttp.WSServerHandshakeError as error:
            statuses.append(error.status)

    run(server, come)
    return statuses[0]


def test_the_token_opens_the_page_and_stays_out_of_the_address() -> None:
    with served(TOKEN) as (_, server):

        async def enter(visitor: Visitor) -> None:
            async with visitor._http.get(server.link, allow_redirects=False) as response:
                assert response.status == 303
                assert response.headers["Location"] == "/"
                cookie = response.headers["Set-Cookie"]
                assert "HttpOnly" in cookie
                assert "SameSite=Strict" in cookie
            async with visitor._http.get(visitor.url + "/") as response:
                assert response.status == 200
                assert "script-src 'self'" in response.headers["Content-Security-Policy"]
            await visitor.come()
            assert (await visitor.next("hello"))["name"] == "made"

        run(server, enter)


@pytest.mark.parametrize("path", ["/", "/socket", "/door", "/main.js", "/console.css"])
@pytest.mark.parametrize("cookie", ["", "wrong", TOKEN[:-1], TOKEN + "x", "é"])
def test_nothing_is_served_without_the_token(path: str, cookie: str) -> None:
    with served(TOKEN) as (_, server):
        headers = {"Cookie": f"{server._access.cookie}={cookie}"} if cookie.isascii() and cookie else {}
        assert status_of(server, path, headers=headers) == 401


def test_a_wrong_token_is_refused_in_the_link_and_in_the_form() -> None:
    with served(TOKEN) as (_, server):
        assert status_of(server, "/?token=wrong") == 401
        own = {"Origin": f"http://127.0.0.1:{server.port}"}
        assert status_of(server, "/login", "POST", data={"token": "wrong"}, headers=own) == 401
        assert status_of(server, "/login", "POST", data={"token": TOKEN}, headers=own) == 303
        assert status_of(server, "/login", "POST", data={"token": TOKEN}, headers={"Origin": "http://evil"}) == 403
        assert status_of(server, "/login", "POST", data={"token": "x" * 10_000}, headers=own) == 413


def test_other_pages_cannot_open_the_socket() -> None:
    with served() as (_, server):
        assert refusal_of(server) == 101
        for origin in ("http://evil.example", "null", "", f"https://127.0.0.1:{server.port}", "http://127.0.0.1:1"):
            assert refusal_of(server, origin=origin) == 403, origin


def test_a_name_that_resolves_to_this_machine_stays_outside() -> None:
    with served() as (_, server):
        rebound = {"Host": f"evil.example:{server.port}", "Origin": f"http://evil.example:{server.port}"}
        assert status_of(server, "/", headers=rebound) == 403
        assert refusal_of(server, **{"origin": rebound["Origin"], "Host": rebound["Host"]}) == 403
        assert status_of(server, "/", headers={"Host": f"localhost:{server.port}"}) == 200


@pytest.mark.parametrize(
    "path", ["/../server.py", "/..%2fserver.py", "/static/../../../setup.py", "//etc/passwd", "/%2e%2e/access.py", "/x"]
)
def test_no_path_leads_outside(path: str) -> None:
    with served() as (_, server), socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain:
        plain.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost:{server.port}\r\nConnection: close\r\n\r\n".encode())
        assert b" 404 " in plain.recv(200)


def test_malformed_messages_are_refused_in_words_and_then_the_client_is() -> None:
    good = {"type": "set_target", "request": 1, "stamp": "5", "box": [1, 2, 3, 4]}
    bad = [
        "",
        "null",
        "[]",
        "{",
        '{"type": "shutdown"}',
        '{"type": "set_target", "request": 1, "stamp": "5", "box": [1, 2, 3, NaN]}',
        '{"type": "set_target", "request": 1, "stamp": "5", "box": [1, 2, 3]}',
        '{"type": "set_target", "request": 1, "stamp": "-5", "box": [1, 2, 3, 4]}',
        '{"type": "set_target", "request": 1, "stamp": "5", "box": [1, 2, 3, 1e300]}',
        '{"type": "set_target", "request": 1, "stamp": "5", "box": [1, 2, 3, 4], "id": 4294967296}',
        '{"type": "set_target", "request": 1, "stamp": "5", "box": [1, 2, 3, 4], "path": "/etc"}',
    ]
    with served() as (session, server):

        async def attack(visitor: Visitor) -> None:
            await visitor.come()
            for text in bad[:10]:
                await visitor.socket.send_str(text)
                answer = await visitor.next("answer")
                assert not answer["ok"]
                assert "not understood" in answer["message"]
            assert session.asked == []
            await visitor.send(**good)
            assert (await visitor.next("answer"))["id"] == 7
            await visitor.socket.send_str(bad[10])
            await asyncio.sleep(0.1)
            with pytest.raises(AssertionError, match="closed"):
                await visitor.next("picture")
            assert visitor.socket.close_code == 1008

        run(server, attack)


def test_oversized_and_binary_messages_end_the_connection() -> None:
    with served() as (session, server):

        async def attack(visitor: Visitor) -> None:
            for data, code in (("x" * (MAX_MESSAGE + 1), 1009), (b"\0" * 10, 1003)):
                await visitor.come()
                await (visitor.socket.send_str(data) if isinstance(data, str) else visitor.socket.send_bytes(data))
                with pytest.raises(AssertionError, match="closed"):
                    await visitor.next("picture")
                assert visitor.socket.close_code == code

        run(server, attack)
        assert session.asked == []


def test_only_so_many_clients() -> None:
    with served(max_clients=2) as (_, server):

        async def crowd(visitor: Visitor) -> None:
            first, second = await visitor.come(), await Visitor(visitor._http, server).come()
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await Visitor(visitor._http, server).come()
            assert refused.value.status == 503
            async with visitor._http.get(visitor.url + "/door") as response:
                assert "2 clients are connected" in await response.text()
            await second.socket.close()
            await asyncio.sleep(0.1)
            await Visitor(visitor._http, server).come()
            await first.next("status")

        run(server, crowd)


def test_hundreds_of_idle_connections_keep_nobody_out() -> None:
    with served(TOKEN, max_strangers=16) as (session, server):

        async def flood(visitor: Visitor) -> None:
            async with visitor._http.get(server.link) as response:
                assert response.status == 200
            await visitor.come()
            await visitor.send(type="look", width=640)
            strangers = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(300)]
            await asyncio.sleep(0.2)
            assert server._visitors.count <= 16
            began = time.monotonic()
            session.offer()
            assert (await visitor.next("picture"))["number"] == 1
            assert time.monotonic() - began < 5
            async with visitor._http.get(visitor.url + "/") as response:
                assert response.status == 200
            for _, writer in strangers:
                writer.close()

        run(server, flood)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"port": 70000}, "from 0 to 65535"),
        ({"token": "short"}, "at least 16"),
        ({"certificate": "/nowhere.pem"}, "certificate and its key"),
        ({"certificate": "/nowhere.pem", "key": "/nowhere.key"}, "there is no file /nowhere.pem"),
    ],
)
def test_impossible_rules_are_refused_in_words(options: dict, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Access.of(**{"host": "127.0.0.1", "port": 1, **options})


def test_a_token_is_made_beyond_this_machine_only() -> None:
    assert Access.of("127.0.0.1", 1).token == Access.of("::1", 1).token == Access.of("localhost", 1).token == ""
    made = {Access.of(host, 1).token for host in ("0.0.0.0", "192.168.1.4", "::", "robot.local")}
    assert len(made) == 4
    assert min(map(len, made)) >= 32


def test_a_port_that_is_taken_is_told() -> None:
    with served() as (session, server), pytest.raises(ConfigError, match=f"127.0.0.1:{server.port}"):
        type(server)(session, Access.of("127.0.0.1", server.port)).start()


def test_a_host_that_can_be_no_name_is_refused_in_words() -> None:
    """The thread of the server died of it, and whoever had started it waited for ever."""
    said: list[str] = []

    def start() -> None:
        try:
            ConsoleServer(MadeSession(), Access("a..b", 0)).start()
        except ConfigError as error:
            said.append(str(error))

    starting = threading.Thread(target=start, daemon=True)
    starting.start()
    starting.join(60)
    assert said, "it waits"
    assert "cannot listen on a..b:0" in said[0]


def test_a_host_header_that_is_none_stays_outside() -> None:
    with served() as (_, server):
        for host in ("[", "[::1", "a]b"):
            with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
                connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                assert connection.recv(64).split()[1] == b"403"
