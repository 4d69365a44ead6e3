"""What an evaluation of a bag has found out: the report, the scores, and their summary for people."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siam_tracker_core.bags import BagReader
from siam_tracker_core.evaluation import SequenceResult
from siam_tracker_core.evaluation.report.facts import provenance_of
from siam_tracker_core.evaluation.report.otb import write_report
from siam_tracker_core.evaluation.report.page import Provenance
from siam_tracker_core.evaluation.resolve import describe_weights
from siam_tracker_core.evaluation.summary import summarise
from siam_tracker_core.trackers.results import TrackState
from siam_tracker_ros.bag_evaluation.files import write_pictures, write_scores
from siam_tracker_ros.bag_evaluation.options import Options
from siam_tracker_ros.node.statistics import percentile


def write_results(
    options: Options, reader: BagReader, result: SequenceResult, out: Path, command: str
) -> dict[str, Any]:
    """Write the report, the scores and the video that is asked for.

    Args:
        options: of the evaluation.
        reader: of the bag.
        result: the tracks of its images.
        out: folder for the results.
        command: the command line, to be named in the report; may be empty.

    Returns:
        What ``scores.json`` holds.
    """
    steps = np.diff(reader.recorded)
    rate = 1e9 / float(np.median(steps)) if steps.size and np.median(steps) > 0 else 30.0
    overlay = out / "overlay.mp4" if options.overlay else None
    with tempfile.TemporaryDirectory() as pictures:
        result = write_pictures(reader, result, Path(pictures), overlay, rate)
        write_report(
            out,
            {options.tracker: [result]},
            title=f"{options.tracker} on {reader.path.name}, through the ROS 2 node",
            command=command or f"evaluate_bag {reader.path}",
            notes=[_how(options, reader, rate)],
            provenance=_provenance(options),
            date=time.strftime("%Y-%m-%d %H:%M"),
        )
    scores = {
        **summarise([result]),
        "latency_by_state_ms": latency_by_state(result),
        "threads": _threads(out / "node.log"),
        "load": round(os.getloadavg()[0], 2),
        "mode": options.mode,
        "tracker": options.tracker,
        "weights": options.weights,
        "device": options.device,
        "bag": str(options.bag),
        "image_topic": reader.image_topic,
        "images_per_second": round(rate * options.rate, 3) if options.mode == "real_time" else None,
    }
    write_scores(out / "scores.json", scores)
    return scores


def latency_by_state(result: SequenceResult) -> dict[str, dict[str, float | None]]:
    """Median and 95th percentile, in milliseconds, of the frames in which the target was lost and of all others.

    A search for what is lost may take longer than tracking, and in a run with few lost frames it would be the tail.
    """
    lost = result.in_state(TrackState.LOST)
    kinds = {"tracking": ~lost, "lost": lost}
    return {name: _latency(result.seconds[1:][chosen[1:]]) for name, chosen in kinds.items()}


def _latency(seconds: NDArray[np.float64]) -> dict[str, float | None]:
    known = (seconds[np.isfinite(seconds)] * 1e3).tolist()
    return {f"p{share}": round(percentile(known, share), 3) if known else None for share in (50, 95)}


def _threads(log: Path) -> str:
    """The threads that the node said it tracks on; empty of a node that was running before."""
    found = re.search(r"threads: (\w+)", log.read_text(errors="replace")) if log.is_file() else None
    return found[1] if found else ""


def _provenance(options: Options) -> dict[str, Provenance]:
    """Of the tracker in a node of its own; what a running node has loaded is not known here."""
    if options.use_running_node:
        return {}
    made_of = describe_weights(options.weights or options.tracker)
    return {options.tracker: provenance_of({**made_of, "device": options.device})}


def _how(options: Options, reader: BagReader, rate: float) -> str:
    where = f"a running node {options.use_running_node}" if options.use_running_node else "the node in another process"
    if options.mode == "real_time":
        way = (
            f"at {rate * options.rate:.1f} images a second; where an answer was not there when the next image was "
            "published the frame is missed, and the last known box counts"
        )
    else:
        way = "each one as soon as the one before it was answered"
    return (
        f"The {len(reader)} images on {reader.image_topic} were published to {where}, {way}. Latencies are from "
        "publishing an image to the arrival of its tracks."
    )


def _times(latency: Mapping[str, float | None]) -> str:
    if latency["p50"] is None:
        return "not measured"
    return f"{latency['p50']:.1f} ms median, {latency['p95']:.1f} ms at the 95th percentile"


def summary_lines(scores: Mapping[str, Any], out: str | Path) -> str:
    """The scores for people, and where the report is."""
    times = _times(scores["latency_ms"])
    rows: list[tuple[str, str]] = [
        ("success (AUC)", f"{scores['success_auc']:.3f}"),
        ("precision (20 px)", f"{scores['precision_20']:.3f}"),
        ("frames", f"{scores['frames']}, {scores['frames_lost']} lost, {scores['frames_missed']} missed"),
        ("latency", times),
        *((f"  while {name}", _times(each)) for name, each in scores["latency_by_state_ms"].items()),
        ("threads, load", f"{scores['threads'] or 'not known'}, {scores['load']:.1f} over the last minute"),
        ("report", str(Path(out) / "report.html")),
    ]
    return "\n".join(f"  {name:18} {value}" for name, value in rows)
