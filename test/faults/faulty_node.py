"""The tracker node with a tracking thread that can be hurt: `python faulty_node.py ORDERS --ros-args ...`.

ORDERS is a file; whatever is written into it is done once, by the next update: ``die``, ``hang``, ``no memory``.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import Any

# As the node does before it imports anything: a library's thread that may be interrupted would end the process.
signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the package beside this file, not an installed one

from siam_tracker_core import TrackerGroup  # noqa: E402
from siam_tracker_ros.node import followed, main  # noqa: E402


class HurtGroup(TrackerGroup):
    """Obeys the orders before it works."""

    orders: Path

    def update(self, *arguments: Any, **options: Any) -> Any:
        order = self.orders.read_text()
        if order:
            self.orders.write_text("")
        if order == "die":
            sys.exit("the tracking thread was told to die")
        if order == "hang":
            time.sleep(3600)
        if order == "no memory":
            raise MemoryError("told to have no memory")
        return super().update(*arguments, **options)


if __name__ == "__main__":
    HurtGroup.orders = Path(sys.argv.pop(1))
    followed.TrackerGroup = HurtGroup  # type: ignore[misc]
    sys.exit(main.main())
