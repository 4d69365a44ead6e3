"""Measure what the node adds to the tracker: from publishing an image to its tracks' arrival, minus the update."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields

from siam_tracker_core.zoo_entries import DEFAULT_TRACKER
from siam_tracker_ros.command_line import Parser
from siam_tracker_ros.overhead import Course, measure_overhead


def print_table(seconds: float, size: tuple[int, int], tracker: str, device: str) -> None:
    """Round trips on quiet cores and beside one busy process, in lock step and at 30 Hz, with 1 and 2 threads."""
    print("| images | busy | threads | tracking p50 | p95 | lost p50 | p95 | answered | skipped | load |")
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for lock_step in (True, False):
        for busy in (0, 1):
            for threads in (0, 2):
                course = Course(seconds, 30.0, lock_step, True, busy)
                one = measure_overhead(course, size, 1, tracker, device, threads)
                cells = [
                    "lock step" if lock_step else "30 Hz",
                    busy,
                    f"{one.threads}{'' if threads else ' (chosen)'}",
                    *(one.tracking_p50, one.tracking_p95, one.lost_p50, one.lost_p95),
                    f"{one.answered} of {one.sent}",
                    one.dropped,
                    one.load,
                ]
                print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print a table, or JSON on request; gives the exit status."""
    parser = Parser(prog="python -m siam_tracker_ros.benchmark", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long images are published (default: 10)")
    parser.add_argument("--rate", type=float, default=30.0, help="images a second (default: 30)")
    parser.add_argument(
        "--size", type=int, nargs=2, default=(640, 480), help="width and height of the images (default: 640 480)"
    )
    parser.add_argument("--targets", type=int, default=1, help="followed at once (default: 1)")
    parser.add_argument("--tracker", default=DEFAULT_TRACKER, help="name in the zoo (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda:N (default: auto)")
    parser.add_argument("--threads", type=int, default=0, help="that an update runs on (default: 0, chosen)")
    parser.add_argument("--lock-step", action="store_true", help="send each image when the one before is answered")
    parser.add_argument("--hide", action="store_true", help="hide the targets for one second in three: they are lost")
    parser.add_argument(
        "--load",
        "--busy",
        type=int,
        default=0,
        dest="busy",
        help="processes that keep a core busy meanwhile (default: 0)",
    )
    parser.add_argument(
        "--awake", action="store_true", help="keep the cores from falling asleep between images (Linux)"
    )
    parser.add_argument("--table", action="store_true", help="measure the table of docs/steady.md, in four minutes")
    parser.add_argument("--json", action="store_true", help="print only JSON")
    given = parser.parse_args(arguments)
    if given.awake and not hasattr(os, "SCHED_IDLE"):
        parser.error("--awake needs Linux's idle class of processes, which this system does not have.")
    size = (given.size[0], given.size[1])
    if given.table:
        print_table(given.seconds, size, given.tracker, given.device)
        return 0
    course = Course(given.seconds, given.rate, given.lock_step, given.hide, given.busy, given.awake)
    report = measure_overhead(course, size, given.targets, given.tracker, given.device, given.threads)
    if given.json:
        print(json.dumps(asdict(report)))
        return 0
    for each in fields(report):
        print(f"{each.name.replace('_', ' '):<16} {getattr(report, each.name)}")
    if report.dropped:
        print("The tracker is slower than the camera here: images waited, which the overhead includes.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
