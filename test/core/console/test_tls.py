"""The console over TLS, with a certificate that signs itself, as on a robot without a name of its own."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from made_session import TOKEN, MadeSession

from siam_tracker_core.console import Access, ConsoleServer, ServerOptions
from siam_tracker_core.errors import ConfigError

if shutil.which("openssl") is None:
    pytest.skip("openssl, which makes the certificate, is not installed here", allow_module_level=True)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    folder = tmp_path_factory.mktemp("tls")
    paths = folder / "cert.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=robot"
    more = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(paths[0]), "-keyout", str(paths[1])]
    subprocess.run([*command.split(), *more], check=True, capture_output=True)
    return paths


@pytest.fixture
def server(certificate: tuple[Path, Path]) -> Iterator[ConsoleServer]:
    access = Access.of("127.0.0.1", 0, TOKEN, str(certificate[0]), str(certificate[1]))
    server = ConsoleServer(MadeSession(), access, ServerOptions(), "1")
    server.start()
    yield server
    server.stop()


def test_page_and_socket_are_encrypted_and_the_cookie_stays_so(
    server: ConsoleServer, certificate: tuple[Path, Path]
) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate[0]))  # checks the address, too
    own = f"https://127.0.0.1:{server.port}"
    assert server.link == f"{own}/?token={TOKEN}"

    async def visit() -> None:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar, connector=aiohttp.TCPConnector(ssl=trusting)) as http:
            async with http.get(server.link, allow_redirects=False) as response:
                assert response.status == 303
                assert "Secure" in response.headers["Set-Cookie"]
            async with http.get(f"{own}/") as response:
                assert response.status == 200
            async with http.ws_connect(f"{own}/socket", headers={"Origin": own}) as socket:
                assert json.loads((await socket.receive(timeout=10)).data)["type"] == "hello"
            plain = own.replace("https", "http")
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(f"{own}/socket", headers={"Origin": plain})
            assert refused.value.status == 403

    asyncio.run(visit())


def test_whoever_does_not_trust_it_or_speaks_plainly_gets_nothing(server: ConsoleServer) -> None:
    async def visit() -> None:
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await http.get(server.link)
            with pytest.raises(aiohttp.ClientError):
                await http.get(server.link.replace("https", "http"))

    asyncio.run(visit())


def test_a_key_of_another_certificate_is_refused_in_words(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    command = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out"
    subprocess.run([*command.split(), str(other)], check=True, capture_output=True)
    with pytest.raises(ConfigError, match="are no certificate with its key in PEM form"):
        Access.of("127.0.0.1", 0, TOKEN, str(certificate[0]), str(other))
