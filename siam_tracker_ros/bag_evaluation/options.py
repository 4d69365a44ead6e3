"""What an evaluation of a bag is told: as a record, and as a command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from siam_tracker_core.zoo_entries import DEFAULT_TRACKER
from siam_tracker_ros.bag_evaluation.run import MODES
from siam_tracker_ros.command_line import HelpFormatter, Parser, positive


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


def options_parser() -> argparse.ArgumentParser:
    """Reads the fields of ``Options``, and ``json`` for how to print the scores."""
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
