"""``siam-tracker``: one command a verb. Options and help come from the functions' signatures and docstrings."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

from jsonargparse import auto_cli

from siam_tracker_core.errors import SiamTrackerError

# Modules are imported when their command is called, so that help comes at once.
COMMANDS = {
    "track": ("siam_tracker_core.commands.track", "follow a target through a video, a folder of images or a camera"),
    "evaluate": (
        "siam_tracker_core.commands.evaluate",
        "score trackers on sequences with ground truth; writes a report",
    ),
    "benchmark": ("siam_tracker_core.commands.benchmark", "tables of accuracy, speed, and cost of many targets"),
    "make-bag": ("siam_tracker_core.commands.make_bag", "turn a sequence with ground truth into a ROS 2 bag"),
    "pretrain": ("siam_tracker_core.commands.pretrain", "give a backbone features without labels, by distillation"),
    "train": ("siam_tracker_core.commands.train", "train a tracker"),
    "calibrate": ("siam_tracker_core.commands.calibrate", "make a tracker's scores mean something"),
    "zoo": ("siam_tracker_core.commands.zoo", "list the trained trackers"),
}


def usage() -> str:
    """The help of ``siam-tracker`` itself."""
    width = max(len(name) for name in COMMANDS)
    lines = "\n".join(f"  {name:{width}}  {text}" for name, (_, text) in COMMANDS.items())
    return (
        "usage: siam-tracker COMMAND [options]\n\nFollow a target in video with Siamese networks; train and evaluate "
        f"the trackers.\n\ncommands:\n{lines}\n\nsiam-tracker COMMAND --help tells the options of a command."
    )


def _function(command: str) -> Callable[..., Any]:
    module = importlib.import_module(COMMANDS[command][0])
    return getattr(module, command.replace("-", "_"))  # type: ignore[no-any-return]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status.

    An error that the user caused is printed as one sentence, without a traceback.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    command, *options = given
    if command not in COMMANDS:
        print(f"siam-tracker: there is no command {command!r}; known are {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        auto_cli(_function(command), args=options, prog=f"siam-tracker {command}", as_positional=True)
    except SiamTrackerError as error:
        print(f"siam-tracker {command}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
