"""Hours of faults on one node, with a report: `make soak MINUTES=120` or `python test/faults/soak.py --minutes 120`.

A camera films at a low rate without a break, everything in ``scenarios`` befalls the node in random order, and its
tracking thread is killed now and then. Memory, threads, descriptors and delays are noted every second.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "test"), str(ROOT / "test" / "ros"), str(ROOT / "test" / "faults")]

import conftest  # noqa: E402, F401 - sets the environment of ROS, before rclpy is loaded
from bench import Bench  # noqa: E402
from scenarios import SCENARIOS, survive  # noqa: E402

from siam_tracker_ros.node.statistics import percentile  # noqa: E402

ORDERS = ("die", "no memory")
FAULTS = (*SCENARIOS, *ORDERS)


@dataclass
class Sample:
    """One second.

    Attributes:
        seconds: since the start.
        memory, threads, descriptors: of the node's process; megabytes and counts.
        delay_p50, delay_p95: from sending an image to its tracks, in milliseconds; None where none came.
        load: of the machine, over one minute.
    """

    seconds: float
    memory: float
    threads: int
    descriptors: int
    delay_p50: float | None
    delay_p95: float | None
    load: float


@dataclass
class Record:
    """What is noted in a whole soak."""

    samples: list[Sample] = field(default_factory=list)
    runs: dict[str, int] = field(default_factory=dict)
    events: list[tuple[float, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    sent: int = 0
    answered: int = 0
    replaced: int = 0


def soak(minutes: float, rate: float, pause: float, out: Path, seed: int, faults: Sequence[str] = FAULTS) -> Record:
    """Run it.

    Args:
        minutes: how long.
        rate: images a second.
        pause: seconds of quiet after each fault.
        out: folder for the report.
        seed: of the order of faults.
        faults: what befalls the node, of ``FAULTS``.
    """
    out.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    record = Record()
    began = time.monotonic()
    with Bench(dict(os.environ), rate, {"hang_timeout": 30.0}, out / "orders") as bench:
        target = bench.follow()
        bench.wait_tracked(target)
        queue: list[str] = []
        while time.monotonic() - began < minutes * 60:
            _quiet(bench, record, began, pause)
            if not queue:
                queue = list(faults)
                chance.shuffle(queue)
            name = queue.pop()
            record.events.append((time.monotonic() - began, name))
            record.runs[name] = record.runs.get(name, 0) + 1
            try:
                _befall(bench, name, target)
            except Exception as error:  # whatever it is, it belongs into the report
                record.failures.append(f"{name} after {time.monotonic() - began:.0f} s: {error!r:.2000}")
                (out / "node.log").write_text(bench.node.log())
                if bench.node.exit_status() is not None:
                    break
        _quiet(bench, record, began, pause)
        record.sent, record.answered = bench.sent, bench.answered
        if bench.node.exit_status() is None:
            record.replaced = int(bench.figures()["tracking_thread_replaced"])
            if bench.node.stop() != 0:
                record.failures.append(f"it ended with status {bench.node.exit_status()}")
        (out / "node.log").write_text(bench.node.log())
    return record


def _befall(bench: Bench, name: str, target: int) -> None:
    if name not in ORDERS:
        survive(bench, name, target)
        return
    assert bench.orders is not None
    replaced = int(bench.figures()["tracking_thread_replaced"])
    bench.orders.write_text(name)
    deadline = time.monotonic() + 120.0
    while int(bench.figures()["tracking_thread_replaced"]) == replaced:
        assert time.monotonic() < deadline, f"the tracking thread was not replaced after: {name}"
    bench.wait_tracked(target)


def _quiet(bench: Bench, record: Record, began: float, seconds: float) -> None:
    """Nothing befalls the node; note how it is every second."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and bench.node.exit_status() is None:
        bench.delays.clear()
        time.sleep(1.0)
        delays = [delay * 1e3 for _, delay in list(bench.delays)]
        needs = bench.needs()
        record.samples.append(
            Sample(
                round(time.monotonic() - began, 1),
                round(needs.memory, 1),
                needs.threads,
                needs.descriptors,
                round(percentile(delays, 50), 1) if delays else None,
                round(percentile(delays, 95), 1) if delays else None,
                os.getloadavg()[0],
            )
        )


def write_report(record: Record, out: Path) -> str:
    """Write samples, plots and a page; gives the page's text."""
    (out / "soak.json").write_text(json.dumps(asdict(record), indent=1))
    samples = record.samples
    tenth = max(1, len(samples) // 10)
    rows = []
    for name in ("memory", "threads", "descriptors", "delay_p50", "delay_p95", "load"):
        parts = [[v for v in (getattr(s, name) for s in part) if v is not None] for part in _parts(samples, tenth)]
        first, last, all_of_it = (f"{percentile(part, 50):.1f}" for part in parts)
        rows.append(f"| {name} | {first} | {last} | {all_of_it} | {max(parts[2]):.1f} |")
    runs = ", ".join(f"{name} {count}" for name, count in sorted(record.runs.items()))
    text = "\n".join(
        [
            f"# Soak of {samples[-1].seconds / 60:.0f} minutes",
            "",
            f"{record.sent} images sent, {record.answered} answered; {sum(record.runs.values())} faults; the tracking "
            f"thread was replaced {record.replaced} times; {len(record.failures)} failures.",
            "",
            "| median of | first tenth | last tenth | all | largest |",
            "|---|---|---|---|---|",
            *rows,
            "",
            f"Faults: {runs}.",
            *(f"\nFAILED: {failure}" for failure in record.failures),
            "",
            "![memory, delay and load](soak.png)",
        ]
    )
    (out / "report.md").write_text(text + "\n")
    _plot(record, out / "soak.png")
    return text


def _parts(samples: list[Sample], tenth: int) -> tuple[list[Sample], list[Sample], list[Sample]]:
    return samples[:tenth], samples[-tenth:], samples


def _plot(record: Record, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    seconds = [sample.seconds / 60 for sample in record.samples]
    rows = [("memory", "memory, MB"), ("threads", "threads"), ("delay_p95", "delay p95, ms"), ("load", "load")]
    figure, axes = pyplot.subplots(len(rows), 1, sharex=True, figsize=(9, 9))
    for axis, (name, words) in zip(axes, rows, strict=True):
        axis.plot(seconds, [getattr(sample, name) or float("nan") for sample in record.samples], linewidth=0.8)
        axis.set_ylabel(words)
        axis.set_ylim(bottom=0)
    axes[-1].set_xlabel("minutes")
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def main() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default: 10)")
    parser.add_argument("--rate", type=float, default=10.0, help="images a second (default: 10)")
    parser.add_argument("--pause", type=float, default=4.0, help="seconds of quiet after each fault (default: 4)")
    parser.add_argument("--seed", type=int, default=0, help="of the order of faults")
    parser.add_argument("--faults", nargs="+", default=FAULTS, choices=FAULTS, help="what befalls it (default: all)")
    parser.add_argument("--out", type=Path, default=Path("build/soak"), help="folder for the report")
    given = parser.parse_args()
    record = soak(given.minutes, given.rate, given.pause, given.out, given.seed, given.faults)
    print(write_report(record, given.out))
    return bool(record.failures)


if __name__ == "__main__":
    sys.exit(main())
