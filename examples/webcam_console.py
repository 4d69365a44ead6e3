"""Watch a webcam in the browser, draw targets there, and read in your own program what becomes of them.

    python examples/webcam_console.py 0

`siam-tracker serve 0` does the same without the program. A video or a folder of images will do, too.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from siam_tracker_core.console import Access, ConsoleServer
from siam_tracker_core.console.video import VideoSession
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER


def main(source: str = "0", port: str = "8642") -> None:
    """Serve the console, and print each target whenever its state changes, until Ctrl-C."""
    session = VideoSession(source, DEFAULT_TRACKER, "auto", Path("recordings"))
    server = ConsoleServer(session, Access.of("127.0.0.1", int(port)))
    states: dict[int, str] = {}

    def look() -> None:
        for target in session.feed.newest.targets:
            if states.get(target.id) != target.state.value:
                states[target.id] = target.state.value
                x, y = target.box.centre
                print(f"target {target.id} {target.label}: {target.state.value} at {x:.0f}, {y:.0f}", flush=True)

    session.feed.watch(look)
    session.start()
    server.start()
    print(f"open {server.link} and draw a box around what to follow; Ctrl-C ends", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()
        session.close()


if __name__ == "__main__":
    if len(sys.argv) > 3:
        print("usage: python examples/webcam_console.py [SOURCE [PORT]]", file=sys.stderr)
        sys.exit(2)
    main(*sys.argv[1:])
