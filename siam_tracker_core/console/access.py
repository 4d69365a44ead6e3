"""Who may come in: a token beyond this machine, the page's own origin, and only so many."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from siam_tracker_core.errors import ConfigError

_TOKEN_BYTES = 24
_SHORTEST_TOKEN = 16  # characters; a shorter one could be guessed


@dataclass(frozen=True)
class Access:
    """The rules of one server.

    Attributes:
        host: the address that it listens on.
        port: the port; 0 for any that is free.
        token: without it nobody comes in; empty only on this machine's own address.
        tls: certificate and key, or None for plain HTTP.
    """

    host: str = "127.0.0.1"
    port: int = 8642
    token: str = ""
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, host: str, port: int, token: str = "", certificate: str = "", key: str = "") -> Access:
        """The rules for an address.

        Args:
            host: an address or a name; ``0.0.0.0`` for all of this machine's.
            port: 0..65535.
            token: the token; empty for a new one where one is needed.
            certificate, key: paths of PEM files; both or neither.

        Raises:
            ConfigError: if one of these is impossible.
        """
        if not host:
            raise ConfigError("the host is empty; give an address, or 0.0.0.0 for all of this machine's")
        if not 0 <= port <= 65535:
            raise ConfigError(f"the port cannot be {port}; give a number from 0 to 65535")
        if token and (len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token):
            raise ConfigError(
                f"the token is too short or has other than plain letters and digits; give at least {_SHORTEST_TOKEN}, "
                "or none to have one made"
            )
        if not token and not is_loopback(host):
            token = secrets.token_urlsafe(_TOKEN_BYTES)
        return cls(host, port, token, _tls(certificate, key))

    @property
    def scheme(self) -> str:
        """http or https."""
        return "https" if self.tls else "http"

    @property
    def cookie(self) -> str:
        """The cookie's name; cookies know no ports, so the name does."""
        return f"siam_tracker_console_{self.port}"

    def link(self, host: str, port: int) -> str:
        """An address that lets its reader in."""
        shown = f"[{host}]" if ":" in host else host
        return f"{self.scheme}://{shown}:{port}/" + (f"?token={self.token}" if self.token else "")

    def knows(self, token: str | None) -> bool:
        """Whether a token is the right one, compared in constant time."""
        return not self.token or hmac.compare_digest((token or "").encode(), self.token.encode())

    def is_own_host(self, host: str) -> bool:
        """Whether a request's Host header names this server.

        Without a token only this machine's own names do: a page that has its name resolve to 127.0.0.1 stays outside.
        """
        if self.token:
            return bool(host)
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:  # such as brackets that nothing closes
            return False
        return name in ("localhost", self.host) or is_loopback(name)

    def is_own_origin(self, headers: Mapping[str, str]) -> bool:
        """Whether a WebSocket is asked for by this server's own page."""
        origin, host = headers.get("Origin", ""), headers.get("Host", "")
        return bool(host) and origin == f"{self.scheme}://{host}"


def is_loopback(host: str) -> bool:
    """Whether an address or name can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _tls(certificate: str, key: str) -> ssl.SSLContext | None:
    if not certificate and not key:
        return None
    if not (certificate and key):
        raise ConfigError("TLS needs a certificate and its key; give the paths of both PEM files")
    for path in (certificate, key):
        if not Path(path).is_file():
            raise ConfigError(f"there is no file {path}; TLS needs a certificate and a key as PEM files")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise ConfigError(f"{certificate} and {key} are no certificate with its key in PEM form ({error})") from None
    return context
