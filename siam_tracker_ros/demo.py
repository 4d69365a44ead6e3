"""The whole path in one command: a made sequence, a bag, the real node, scores and a report."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from siam_tracker_core.bags import write_sequence_bag
from siam_tracker_core.datasets.made import PERIOD, made_sequence
from siam_tracker_core.errors import BagError
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER
from siam_tracker_ros.bag_evaluation.evaluate_bag import evaluate, exit_status
from siam_tracker_ros.bag_evaluation.options import Options
from siam_tracker_ros.bag_evaluation.scores import summary_lines
from siam_tracker_ros.command_line import HelpFormatter, Parser

# What a demo leaves in its folder; nothing else in there is touched by the next one.
_FILES = (
    "scores.json",
    "tracks.csv",
    "overlay.mp4",
    "node.log",
    "report.html",
    "summary.json",
    "summary.csv",
    "sequences.json",
    "sequences.csv",
)
_BESIDE = "beside"
_FOLDERS = ("bag", "plots", _BESIDE)
# The default without learning, which the look-alike can lead away.
_WITHOUT = "siamban_mobilenetv2"


def _clear(out: Path) -> None:
    """Remove what a former demo left, so that nothing old can be taken for new."""
    for name in _FOLDERS:
        shutil.rmtree(out / name, ignore_errors=True)
    for name in _FILES:
        (out / name).unlink(missing_ok=True)


def run(out: Path, frames: int, tracker: str, beside: str, device: str, mode: str, seed: int) -> None:
    """Make the sequence and its bag, evaluate the tracker and another one on it, and print the scores.

    Raises:
        SiamTrackerError, NodeFailure, TrackerError: as ``make_bag`` and ``evaluate_bag`` do.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        _clear(out)
    except OSError as error:
        raise BagError(f"{out} cannot be written ({error.strerror}); give another folder with --out") from None
    steps = 4 if beside else 3
    print(f"1/{steps}  making {frames} images of a moving target, with exact ground truth")
    made = made_sequence("demo", frames, seed=seed)
    print(f"2/{steps}  writing the bag {out / 'bag'}")
    bag = write_sequence_bag(out / "bag", made.frames, made.boxes, made.rate, label="cat")
    print(f"3/{steps}  replaying it through the tracker node with {tracker}")
    options = Options(str(bag), str(out), tracker=tracker, device=device, mode=mode, overlay=True)
    command = f"python -m siam_tracker_ros.demo --out {out}"
    scores = evaluate(options, command)
    if beside:
        print(f"4/{steps}  and with {beside}")
        others = evaluate(replace(options, out=str(out / _BESIDE), tracker=beside), command)
    print(f"\n{tracker} on the made sequence, {mode.replace('_', ' ')}:")
    print(summary_lines(scores, out))
    print(f"  {'scores':18} {out / 'scores.json'}")
    print(f"  {'video':18} {out / 'overlay.mp4'}")
    if beside:
        print(f"\n{beside} on the same:  success (AUC) {others['success_auc']:.3f}  {out / _BESIDE / 'overlay.mp4'}")
    print(f"\nPoint at it yourself, in the browser:  {_console_command(bag)}")


def _console_command(bag: Path) -> str:
    """How to open the console on a bag, with the program that belongs to this python."""
    beside = Path(sys.executable).with_name("siam-tracker")
    try:
        shown = beside.relative_to(Path.cwd())
    except ValueError:
        shown = beside
    return f"{shown if beside.exists() else 'siam-tracker'} serve {bag}"


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="demo", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/demo"), help="folder for the bag and the results")
    parser.add_argument("--frames", type=int, default=PERIOD, help="length of the sequence, at 30 images a second")
    parser.add_argument("--tracker", default=DEFAULT_TRACKER, help="name of the tracker in the zoo")
    parser.add_argument("--beside", default=_WITHOUT, help="another one, to compare with; '' for none")
    parser.add_argument("--device", default=Options.device, help="where the network runs: auto, cpu, cuda or cuda:N")
    parser.add_argument("--mode", choices=["every_frame", "real_time"], default=Options.mode)
    parser.add_argument("--seed", type=int, default=0, help="of the sequence")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    return exit_status("demo", lambda: run(**vars(options)))


if __name__ == "__main__":
    sys.exit(main())
