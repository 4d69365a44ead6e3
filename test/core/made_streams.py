"""Servers that send a video as cameras do: Motion JPEG over HTTP, and MPEG over RTSP."""

from __future__ import annotations

import contextlib
import http.server
import socketserver
import struct
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

TS_PACKET = 188
_CLOCK = 90_000  # ticks a second of RTP's stamps


class _Quiet(http.server.BaseHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def motion_jpeg(pictures: Sequence[bytes]) -> Iterator[str]:
    """The address of a server that sends JPEG files one after the other, as ``multipart/x-mixed-replace``."""

    class Camera(_Quiet):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for picture in pictures:
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                self.wfile.write(head.encode() + picture + b"\r\n")

    with _running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera)) as port:
        yield f"http://127.0.0.1:{port}/stream"


@contextlib.contextmanager
def rtsp(stream: Path) -> Iterator[str]:
    """The address of a server that sends an MPEG transport stream by RTP (RFC 2250) within RTSP's own connection."""

    class Camera(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while request := self.rfile.readline().decode():
                headers = dict(self._headers())
                method, number = request.split()[0], headers["cseq"]
                self._answer(number, *_RTSP_ANSWERS.get(method, ("", "")))
                if method == "PLAY":
                    with contextlib.suppress(OSError):  # the viewer may have left
                        self._send()
                if method in ("PLAY", "TEARDOWN"):
                    return  # closes the connection, which ends the stream

        def _headers(self) -> Iterator[tuple[str, str]]:
            while line := self.rfile.readline().decode().strip():
                name, value = line.split(":", 1)
                yield name.lower(), value.strip()

        def _answer(self, number: str, headers: str, body: str) -> None:
            length = f"Content-Length: {len(body)}\r\n" if body else ""
            self.wfile.write(f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{headers}{length}\r\n{body}".encode())

        def _send(self) -> None:
            data = stream.read_bytes()
            for order, place in enumerate(range(0, len(data), 7 * TS_PACKET)):
                payload = data[place : place + 7 * TS_PACKET]
                packet = struct.pack(">BBHII", 0x80, 33, order & 0xFFFF, order * _CLOCK // 1000, 1) + payload
                self.wfile.write(struct.pack(">cBH", b"$", 0, len(packet)) + packet)

    with _running(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Camera)) as port:
        yield f"rtsp://127.0.0.1:{port}/camera"


_RTSP_ANSWERS = {
    "OPTIONS": ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n", ""),
    "DESCRIBE": (
        "Content-Type: application/sdp\r\n",
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:video\r\n",
    ),
    "SETUP": ("Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n", ""),
    "PLAY": ("Session: 1\r\n", ""),
}


@contextlib.contextmanager
def _running(server: socketserver.TCPServer) -> Iterator[int]:
    with server:
        server.daemon_threads = True  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
