"""``siam-tracker serve``: watch and point in the browser."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import siam_tracker_core
from siam_tracker_core.console.access import Access
from siam_tracker_core.console.server import ConsoleServer, ServerOptions
from siam_tracker_core.console.video import VideoSession
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER


def serve(
    source: str,
    tracker: str = DEFAULT_TRACKER,
    device: str = "auto",
    host: str = "127.0.0.1",
    port: int = 8642,
    token: str = "",
    certificate: str = "",
    key: str = "",
    max_clients: int = 8,
    recordings: Path = Path("recordings"),
) -> None:
    """Show a video or a camera in the browser, where targets are drawn and followed.

    Args:
        source: a video file, a folder of images, a bag, or a camera number.
        tracker: a name from ``siam-tracker zoo``, or a path to a .safetensors file.
        device: auto, cpu or cuda:N.
        host: address to listen on. Other machines reach the console only with one of this machine's own addresses, or
            0.0.0.0 for all of them; they need the token then.
        port: to listen on; 0 for any that is free.
        token: what lets a browser in; by default one is made where one is needed, and printed once.
        certificate: PEM file, for TLS.
        key: PEM file of the certificate's key.
        max_clients: browsers that may be connected at once.
        recordings: folder for the bags that are recorded from the page.
    """
    access = Access.of(host, port, token, certificate, key)
    options = ServerOptions(max_clients)
    print(f"loading {tracker} ...", flush=True)
    session = VideoSession(source, tracker, device, recordings)
    server = ConsoleServer(session, access, options, siam_tracker_core.__version__)
    session.start()
    try:
        _until_the_end(session, server)
    except KeyboardInterrupt:
        print()
        _leave(session, 0)
    except SystemExit as end:
        _leave(session, end.code if isinstance(end.code, int) else 1)
        raise


def _until_the_end(session: VideoSession, server: ConsoleServer) -> None:
    try:
        server.start()
        print(f"{session.describe().name} is on {server.link}", flush=True)
        print("Open it in a browser and draw a box around what to follow. Ctrl-C ends.", flush=True)
        threading.Event().wait()
    finally:
        server.stop()
        session.close()


def _leave(session: VideoSession, status: int) -> None:
    """End the process at once where the network is still at work: if Python took its time, it would crash under it."""
    if session.is_working:
        sys.stdout.flush()
        os._exit(status)
