"""How long it takes from nothing to the first result, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

from siam_tracker_core.errors import SiamTrackerError

_SCRIPT = """
import json, sys, time
started = time.perf_counter()
from siam_tracker_core import load_tracker
from siam_tracker_core.benchmarks.many_targets import made_pictures, spread_boxes
imported = time.perf_counter()
tracker = load_tracker(sys.argv[1], sys.argv[2], runtime=sys.argv[3], threads=int(sys.argv[4]) or None)
tracker.warm_up()
ready = time.perf_counter()
pictures, times = made_pictures(), []
tracker.init(pictures[0], spread_boxes(1)[0])
for number in range(30):
    began = time.perf_counter()
    tracker.update(pictures[number % len(pictures)])
    times.append((time.perf_counter() - began) * 1e3)
print(json.dumps({
    "runtime": tracker.runtime,
    "import_s": imported - started,
    "load_and_warm_up_s": ready - imported,
    "first_update_ms": times[0],
    "median_update_ms": sorted(times)[len(times) // 2],
}))
"""


def measure_cold_start(
    name: str, device: str = "cpu", runtime: str = "auto", threads: int | None = None
) -> dict[str, float | str]:
    """Seconds of import and loading, and milliseconds of the first update beside the median one.

    Args:
        name: of the tracker.
        device, runtime, threads: as for ``load_tracker``.

    Raises:
        SiamTrackerError: if the tracker cannot be loaded.
    """
    command = [sys.executable, "-c", _SCRIPT, name, device, runtime, str(threads or 0)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SiamTrackerError(f"{name} cannot be started: {run.stderr.strip().splitlines()[-1]}")
    figures: dict[str, float | str] = json.loads(run.stdout.strip().splitlines()[-1])
    return figures
