"""Tables of updates beside peers, for ``siam-tracker benchmark`` and the checks of whole machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from siam_tracker_core.benchmarks.paired import PairedTimes, measure_paired
from siam_tracker_core.commands.tables import markdown
from siam_tracker_core.errors import SiamTrackerError
from siam_tracker_core.evaluation.resolve import FrameTracker, TrackerSpec
from siam_tracker_core.peers import PEERS

Figures = dict[str, float | int | str]


def contenders(
    specs: Sequence[TrackerSpec], runtimes: Sequence[str], threads: int | None = None
) -> dict[str, FrameTracker]:
    """Trackers ready to be updated, by labels that tell their runtimes; a line for each that cannot run here.

    Args:
        specs: of trackers and peers.
        runtimes: to run ours in; peers have one of their own.
        threads: for the networks of ours.
    """
    made: dict[str, FrameTracker] = {}
    for spec in specs:
        for runtime in ("auto",) if spec.source in PEERS else runtimes:
            try:
                tracker = replace(spec, runtime=runtime, threads=threads).make()
            except SiamTrackerError as error:
                print(f"left out: {error}\n")
                continue
            if hasattr(tracker, "warm_up"):
                tracker.warm_up()
            own = getattr(tracker, "runtime", "")
            made[f"{spec.label}, {own}" if own else spec.label] = tracker
    return made


def paired_figures(
    trackers: dict[str, FrameTracker], peer: str = "", loads: Sequence[int] = (0,), frames: int = 100
) -> list[Figures]:
    """Figures of all trackers at every load, with ratios to one of them.

    Args:
        trackers: by label.
        peer: label of the one that the others are compared with; empty for none.
        loads: numbers of busy processes.
        frames: see ``measure_paired``.
    """
    figures: list[Figures] = []
    idle: dict[str, float] = {}
    for load in loads:
        times = measure_paired(trackers, frames, load)
        medians = {item.label: _median(item) for item in times}
        idle = idle or medians
        for item in times:
            told = item.figures()
            if medians.get(peer):
                told["ratio_to_peer"] = medians[item.label] / medians[peer]
            if load and "tracking_p95_ms" in told:
                told["p95_to_idle_median"] = float(told["tracking_p95_ms"]) / idle[item.label]
            figures.append(told)
    return figures


def _median(times: PairedTimes) -> float:
    return float(times.figures().get("tracking_median_ms", 0.0))


def paired_table(figures: Sequence[Figures]) -> str:
    """The figures as a Markdown table."""
    columns = {
        "load": "load",
        "tracking_median_ms": "TRACKING ms",
        "tracking_p95_ms": "95th",
        "lost_median_ms": "LOST ms",
        "lost_p95_ms": "95th of LOST",
        "ratio_to_peer": "ratio to peer",
        "p95_to_idle_median": "95th / idle median",
    }
    rows = [[str(told["label"]), *(_cell(told.get(key)) for key in columns)] for told in figures]
    return markdown(["tracker", *columns.values()], rows)


def _cell(value: float | int | str | None) -> str:
    return "–" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)
