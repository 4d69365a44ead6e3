"""Replay a bag through the real tracker node and score its tracks: ``ros2 run siam_tracker_ros evaluate_bag BAG``."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.context import Context
from rclpy.node import Node
from rclpy.utilities import remove_ros_args

from siam_tracker_core.bags import BagReader
from siam_tracker_core.bags.types import COMPRESSED_IMAGE
from siam_tracker_core.errors import BagError, SiamTrackerError, WeightsError
from siam_tracker_core.evaluation import SequenceResult
from siam_tracker_core.evaluation.report.facts import provenance_of
from siam_tracker_core.evaluation.report.otb import write_report
from siam_tracker_core.evaluation.report.page import Provenance
from siam_tracker_core.evaluation.resolve import describe_weights
from siam_tracker_core.evaluation.summary import summarise
from siam_tracker_core.files import check_outputs, write_text
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER
from siam_tracker_ros.bag_evaluation.files import write_pictures, write_scores, write_tracks
from siam_tracker_ros.bag_evaluation.replay import image_publisher
from siam_tracker_ros.bag_evaluation.run import MODES, AnswerBook, BagRun
from siam_tracker_ros.client import TrackerClient, TrackerError
from siam_tracker_ros.command_line import HelpFormatter, Parser, positive
from siam_tracker_ros.domain import private_domain
from siam_tracker_ros.node.statistics import percentile
from siam_tracker_ros.node_process import NodeProcess, large_data_environment

_OWN_NODE = "/siam_tracker"
_OWN_TOPIC = "/evaluate_bag/image"
_LOG_LINES = 8
_ERROR = re.compile(r"(?:\[ERROR\].*?\]:|tracker_node cannot start:)\s*(.+)")


class NodeFailure(RuntimeError):
    """The tracker node ended, or never became active; the message ends with the last lines of its log."""


# What is written into the folder of the results.
WRITTEN = ("report.html", "scores.json", "tracks.csv", "overlay.mp4", "plots")


@dataclass(frozen=True)
class Options:
    """What is to be evaluated, and how.

    Attributes:
        bag: folder of the bag, or its .mcap or .db3 file.
        out: folder for the results.
        tracker: name of the tracker in the zoo.
        weights: path of a .safetensors file to use instead of the zoo's weights.
        device: auto, cpu, cuda or cuda:N.
        mode: ``every_frame`` or ``real_time``.
        rate: in real time: speed as a multiple of the bag's own.
        image_topic: the bag's topic of the images; empty: the only one.
        truth_topic: the bag's topic of the ground truth; empty: the only one.
        groundtruth: file of one-based ``x,y,width,height`` lines to use instead of a topic.
        overlay: write ``overlay.mp4`` too.
        timeout: seconds to wait for one answer.
        start_timeout: seconds to wait for the node to become active.
        use_running_node: name of a running tracker node to use instead of starting one; empty to start one.
        node_image_topic: the topic to which a running node listens.
    """

    bag: str
    out: str = "evaluation"
    tracker: str = DEFAULT_TRACKER
    weights: str = ""
    device: str = "auto"
    mode: str = "every_frame"
    rate: float = 1.0
    image_topic: str = ""
    truth_topic: str = ""
    groundtruth: str = ""
    overlay: bool = False
    timeout: float = 30.0
    start_timeout: float = 120.0
    use_running_node: str = ""
    node_image_topic: str = "/image"


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
        with _Graph(options, reader, out) as graph:
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
        return _write_results(options, reader, result, out, command)


class _Graph:
    """The part of a ROS graph that an evaluation needs: a tracker node, a client to it, and a publisher of images.

    A node of its own runs in a domain of its own, so that it meets neither a robot nor another evaluation.
    """

    def __init__(self, options: Options, reader: BagReader, out: Path) -> None:
        self.book = AnswerBook()
        self._options = options
        self._process: NodeProcess | None = None
        self._stack = ExitStack()
        try:
            self._enter(reader, out)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> _Graph:
        return self

    def __exit__(self, *reason: object) -> None:
        self._stack.close()

    def check(self) -> None:
        """Raise NodeFailure if the node that was started has ended."""
        if self._process is not None and self._process.exit_status() is not None:
            raise NodeFailure(f"the tracker node ended with status {self._process.exit_status()}" + self._last_lines())

    def forget(self, target: int) -> None:
        """Take the target back from a node that lives on."""
        if self._options.use_running_node and target:
            try:
                self.client.remove_target(target, timeout=2.0)
            except TrackerError as error:
                print(f"evaluate_bag: target {target} may still be followed: {error}", file=sys.stderr)

    def _enter(self, reader: BagReader, out: Path) -> None:
        options, enter = self._options, self._stack.enter_context
        running = options.use_running_node
        variables = large_data_environment()
        domain: int | None = None
        if running:
            variables.pop("ROS_AUTOMATIC_DISCOVERY_RANGE", None)  # must be as it is for that node
        else:
            domain = enter(private_domain())
            variables |= {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        enter(_environment(variables))
        topic = options.node_image_topic if running else _OWN_TOPIC
        if not running:
            self._process = enter(self._start_node(reader))
            self._stack.callback(self._keep_log, out / "node.log")
        context = Context()
        rclpy.init(args=[], context=context, domain_id=domain)
        self._stack.callback(rclpy.try_shutdown, context=context)
        # A name of its own: two evaluations may share the domain of a running node.
        node = Node(f"evaluate_bag_{os.getpid()}", context=context)
        self._stack.callback(node.destroy_node)
        self.publisher = image_publisher(node, reader.image_type, topic)
        if self._process is not None:
            # Before this process leaves the graph: up to Fast DDS 2.14.5 leaving hangs when a TCP peer is in the middle
            # of a message (eProsima/Fast-DDS#6066), and a peer that has ended is not.
            self._stack.callback(self._process.stop)
        self.client = enter(TrackerClient(node, running or _OWN_NODE, on_tracks=self.book.take))
        self._wait_until_active()

    def _start_node(self, reader: BagReader) -> NodeProcess:
        options = self._options
        compressed = reader.image_type == COMPRESSED_IMAGE
        parameters: dict[str, object] = {
            "tracker": options.tracker,
            "device": options.device,
            "image_transport": "compressed" if compressed else "raw",
            # In lock step no image may be lost; in real time the node is as it is by default.
            "reliability": "reliable" if options.mode == "every_frame" else "best_effort",
        }
        if options.weights:
            parameters["weights"] = str(Path(options.weights).resolve())
        heard = "image/compressed" if compressed else "image"
        return NodeProcess(parameters, {heard: _OWN_TOPIC})

    def _wait_until_active(self) -> None:
        """A node that is active subscribes to the images and answers requests."""
        deadline = time.monotonic() + self._options.start_timeout
        while self.publisher.get_subscription_count() == 0:
            self._look_for_errors()
            self.check()
            if time.monotonic() > deadline:
                raise NodeFailure(self._not_active() + self._last_lines())
            time.sleep(0.05)
        self.client.wait_until_ready(timeout=max(1.0, deadline - time.monotonic()))

    def _not_active(self) -> str:
        seconds = self._options.start_timeout
        name = self._options.use_running_node
        if name:
            return (
                f"nobody listens to {self.publisher.topic_name} after {seconds:g} seconds; is the node {name} active, "
                "in this ROS_DOMAIN_ID, and does --node-image-topic name the topic of its images?"
            )
        return f"the tracker node was not active after {seconds:g} seconds; --start-timeout allows it more"

    def _look_for_errors(self) -> None:
        """A node that could not load its tracker may live on, unconfigured; there is nothing to wait for then."""
        error = _ERROR.search(self._process.log()) if self._process else None
        if error:
            raise NodeFailure(f"the tracker node could not be started: {error.group(1).strip()}")

    def _last_lines(self) -> str:
        if self._process is None:
            return ""
        lines = self._process.log().strip().splitlines()[-_LOG_LINES:]
        return "; the last lines of its log:\n  " + "\n  ".join(lines) if lines else "; it wrote no log"

    def _keep_log(self, path: Path) -> None:
        assert self._process is not None
        write_text(path, self._process.log())


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for this process and its children until the block ends; Fast DDS has no other way."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _made_folder(path: str) -> Path:
    out = Path(path)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BagError(f"{out} cannot be made a folder for the results ({error.strerror}); give another") from None
    return out


def _write_results(
    options: Options, reader: BagReader, result: SequenceResult, out: Path, command: str
) -> dict[str, Any]:
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
    lost = np.array([state == "lost" for state in result.states])
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


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="evaluate_bag",
        description="Replay a rosbag2 bag (sqlite3 or mcap) through the tracker node and score its tracks against the "
        "ground truth in the bag or in a groundtruth_rect.txt. `siam-tracker make-bag` makes such bags.",
        epilog="Writes report.html, scores.json, tracks.csv, node.log and, with --overlay, overlay.mp4.",
        formatter_class=HelpFormatter,
    )
    add: Callable[..., Any] = parser.add_argument
    add("bag", help="folder of the bag, or its .mcap or .db3 file")
    add("--out", default=Options.out, help="folder for the results; files of a former run are replaced")
    add("--tracker", default=Options.tracker, help="name of the tracker in the zoo")
    add("--weights", default="", help="a .safetensors file to use instead of the zoo's weights")
    add("--device", default=Options.device, help="where the network runs: auto, cpu, cuda or cuda:N")
    add(
        "--mode",
        choices=MODES,
        default=Options.mode,
        help="every_frame publishes an image when the one before it was answered; real_time publishes at the bag's own "
        "rate, and a late answer is a missed frame",
    )
    add("--rate", type=positive, default=1.0, help="in real_time: speed, as a multiple of the bag's own")
    add("--image-topic", default="", help="the bag's topic of the images; empty: the only one")
    add("--truth-topic", default="", help="the bag's topic of the ground truth; empty: the only one")
    add("--groundtruth", default="", help="file of one-based x,y,width,height lines, used instead of a topic")
    add("--overlay", action="store_true", help="write a video with the truth and the tracks drawn in")
    add("--timeout", type=positive, default=Options.timeout, help="seconds to wait for one answer")
    add("--start-timeout", type=positive, default=Options.start_timeout, help="seconds to wait for an active node")
    add("--use-running-node", default="", metavar="NAME", help="use this node, e.g. /siam_tracker, and start none")
    add("--json", action="store_true", help="print only what scores.json holds, for a script")
    add("--node-image-topic", default=Options.node_image_topic, help="the topic to which a running node listens")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parsed = vars(_parser().parse_args(remove_ros_args(["evaluate_bag", *given])[1:]))
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
