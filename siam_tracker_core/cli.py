"""``siam-tracker``: one command a verb. Options and help come from the functions' signatures and docstrings."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from jsonargparse import auto_cli

from siam_tracker_core.commands.words import plain_words
from siam_tracker_core.errors import SiamTrackerError

# What the disk or the folder is to blame for, whatever command met it.
_OF_THE_PLACE = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.EIO,
    errno.ENAMETOOLONG,
}

# Modules are imported when their command is called, so that help comes at once.
COMMANDS = {
    "track": ("siam_tracker_core.commands.track", "follow a target through a video, a folder of images or a camera"),
    "serve": ("siam_tracker_core.commands.serve", "watch a video or a camera in the browser, and draw targets there"),
    "evaluate": ("siam_tracker_core.commands.evaluate", "score trackers on a benchmark or a folder; writes a report"),
    "tune": ("siam_tracker_core.commands.tune", "search a tracker's settings on held-out sequences"),
    "reproduce": ("siam_tracker_core.commands.reproduce", "run the experiments of the papers, table by table"),
    "benchmark": ("siam_tracker_core.commands.benchmark", "tables of accuracy, speed, and cost of many targets"),
    "export": ("siam_tracker_core.commands.export", "write a tracker's network for OpenVINO, ONNX Runtime, TensorRT"),
    "make-bag": ("siam_tracker_core.commands.make_bag", "turn a sequence with ground truth into a ROS 2 bag"),
    "label": ("siam_tracker_core.commands.label", "make boxes for videos that nobody labelled"),
    "prepare": ("siam_tracker_core.commands.prepare", "cut a data set into shards of crops, to train on"),
    "pretrain": ("siam_tracker_core.commands.pretrain", "give a backbone features without labels, by distillation"),
    "train": ("siam_tracker_core.commands.train", "train a tracker"),
    "pack": ("siam_tracker_core.commands.pack", "pack trainings for a machine with a GPU"),
    "train-packed": ("siam_tracker_core.commands.train_packed", "train what was packed within so many minutes"),
    "calibrate": ("siam_tracker_core.commands.calibrate", "make a tracker's scores mean something"),
    "analyse": ("siam_tracker_core.commands.analyse", "stride, receptive field, padding and cost of a backbone"),
    "import-checkpoint": (
        "siam_tracker_core.commands.import_checkpoint",
        "make a weights file of a checkpoint that others published",
    ),
    "join": ("siam_tracker_core.commands.join", "make the cascade's weights of a trained SiamFC and a trained MDNet"),
    "make-dsiam": ("siam_tracker_core.commands.make_dsiam", "make a DSiam of a trained SiamFC or of a backbone"),
    "zoo": ("siam_tracker_core.commands.zoo", "list the trained trackers"),
    "trax": ("siam_tracker_core.commands.trax", "be a tracker for vot-toolkit"),
}

# What a command is about if it is given options only.
ALONE = {"reproduce": "all"}


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
    if command in ALONE and (not options or options[0].startswith("-")):
        options = [ALONE[command], *options]
    if threading.current_thread() is threading.main_thread():
        # As an exit, so that worker processes end with this one.
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if command not in COMMANDS:
        print(f"siam-tracker: there is no command {command!r}; known are {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        function = _function(command)
        auto_cli(function, args=plain_words(function, options), prog=f"siam-tracker {command}", as_positional=True)
        sys.stdout.flush()
    except SiamTrackerError as error:
        print(f"siam-tracker {command}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return _reader_left()
    except OSError as error:
        if error.errno not in _OF_THE_PLACE:
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(f"siam-tracker {command}: {where}{(error.strerror or str(error)).lower()}", file=sys.stderr)
        return 1
    return 0


def _reader_left() -> int:
    """The exit status that a shell gives a command whose reader, such as ``head``, has seen enough."""
    # What is still in the buffer must not be written at the interpreter's end either.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE


if __name__ == "__main__":
    sys.exit(main())
