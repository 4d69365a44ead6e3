"""Replay a bag through the real tracker node and score its tracks: ``ros2 run siam_tracker_ros evaluate_bag BAG``."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rclpy.utilities import remove_ros_args

from siam_tracker_core.bags import BagReader
from siam_tracker_core.errors import BagError, SiamTrackerError, WeightsError
from siam_tracker_core.files import check_outputs
from siam_tracker_ros.bag_evaluation.files import write_tracks
from siam_tracker_ros.bag_evaluation.graph import EvaluationGraph, NodeFailure
from siam_tracker_ros.bag_evaluation.options import Options, options_parser
from siam_tracker_ros.bag_evaluation.run import BagRun
from siam_tracker_ros.bag_evaluation.scores import summary_lines, write_results
from siam_tracker_ros.client import TrackerError

# What is written into the folder of the results.
WRITTEN = ("report.html", "scores.json", "tracks.csv", "overlay.mp4", "plots")


def evaluate(options: Options, command: str = "") -> dict[str, Any]:
    """Take a bag through the node and write ``report.html``, ``scores.json``, ``tracks.csv`` and what is asked for.

    Args:
        options: what and how.
        command: the command line, to be named in the report.

    Returns:
        What ``scores.json`` holds.

    Raises:
        SiamTrackerError: if the bag, its ground truth or an option is not right.
        NodeFailure: if the node ends or does not become active; the tracks so far are in ``tracks.csv`` then.
        TrackerError: if the node refuses the target or does not answer; likewise.
    """
    # The folder may hold the bag, as the demo's does, but nothing that is written in it may be an input.
    outputs = {f"--out, {name}": Path(options.out) / name for name in WRITTEN}
    inputs = [options.bag, options.groundtruth, options.weights]
    check_outputs(outputs, inputs)
    if Path(options.out).resolve() == Path(options.bag).resolve():
        check_outputs({"--out": options.out}, inputs)
    out = _made_folder(options.out)
    if options.weights and not Path(options.weights).is_file():
        raise WeightsError(f"{options.weights} does not exist; expected a .safetensors file")
    with BagReader(options.bag, options.image_topic, options.truth_topic) as reader:
        truth = reader.truth(options.groundtruth)
        with EvaluationGraph(options, reader, out) as graph:
            run = BagRun(reader, truth, graph.publisher.publish, graph.client, graph.book, graph.check, options.timeout)
            try:
                if options.mode == "real_time":
                    run.real_time(options.rate)
                else:
                    run.every_frame()
            finally:
                graph.forget(run.target)
                result = run.result(options.mode, options.rate)
                write_tracks(out / "tracks.csv", reader.stamps, result)
        return write_results(options, reader, result, out, command)


def _made_folder(path: str) -> Path:
    out = Path(path)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BagError(f"{out} cannot be made a folder for the results ({error.strerror}); give another") from None
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parsed = vars(options_parser().parse_args(remove_ros_args(["evaluate_bag", *given])[1:]))
    as_json = parsed.pop("json")
    options = Options(**parsed)

    def run() -> None:
        scores = evaluate(options, shlex.join(["evaluate_bag", *given]))
        print(json.dumps(scores, indent=2) if as_json else summary_lines(scores, options.out))

    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        return exit_status("evaluate_bag", run)
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_status(command: str, run: Callable[[], None]) -> int:
    """Run a command that evaluates; an error that its user caused becomes one sentence and the exit status 1."""
    try:
        run()
    except (SiamTrackerError, NodeFailure, TrackerError) as error:
        print(f"{command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{command}: interrupted", file=sys.stderr)
        return 130
    return 0


def _terminated(number: int, frame: object) -> None:
    """Leave through all ``with`` blocks, so that no node is left running."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
