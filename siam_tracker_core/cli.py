"""``siam-tracker``: one command a verb. Options and help come from the functions' signatures and docstrings."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jsonargparse import auto_cli

from siam_tracker_core import __version__
from siam_tracker_core.commands.listing import COMMANDS
from siam_tracker_core.commands.parser import CommandParser
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

# What some commands need and a bare installation lacks: modules, and the extra of setup.py that brings them.
_EXTRAS = {
    "av": "train",
    "dask": "cluster",
    "distributed": "cluster",
    "nncf": "int8",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "openvino": "openvino",
    "optuna": "evaluation",
    "pytorch_lightning": "train",
    "scipy": "evaluation",
    "shapely": "evaluation",
    "skimage": "demo",
    "sklearn": "train",
    "tensorboard": "train",
    "trax": "vot",
    "webdataset": "train",
}

# What a command is about if it is given options only.
ALONE = {"reproduce": "all"}


def usage() -> str:
    """The help of ``siam-tracker`` itself."""
    width = max(len(name) for name in COMMANDS)
    lines = "\n".join(f"  {name:{width}}  {text}" for name, (_, text) in COMMANDS.items())
    return (
        "usage: siam-tracker COMMAND [options]\n\nFollow a target in video with Siamese networks; train and evaluate "
        f"the trackers.\n\ncommands:\n{lines}\n\nsiam-tracker COMMAND --help tells the options of a command, "
        "siam-tracker --version the version."
    )


def _function(command: str) -> Callable[..., Any]:
    module = importlib.import_module(COMMANDS[command][0])
    return getattr(module, command.replace("-", "_"))  # type: ignore[no-any-return]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status, which docs/command_line.md lists.

    An error that the user caused is printed as one sentence, without a traceback.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if given[0] in ("-V", "--version"):
        print(f"siam-tracker {__version__}")
        return 0
    command, *options = given
    if command in ALONE and (not options or options[0].startswith("-")):
        options = [ALONE[command], *options]
    if command not in COMMANDS:
        print(f"siam-tracker: there is no command {command!r}; known are {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    with _ending_as_an_exit():
        return _run(command, options)


@contextlib.contextmanager
def _ending_as_an_exit() -> Iterator[None]:
    """Let SIGTERM be an exit while a command runs, so that worker processes end with this one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(command: str, options: Sequence[str]) -> int:
    """Run a command of the list; what its user caused is told in a sentence."""
    try:
        function = _function(command)
        words = plain_words(function, options)
        auto_cli(function, args=words, prog=f"siam-tracker {command}", as_positional=True, parser_class=CommandParser)
        sys.stdout.flush()
    except SiamTrackerError as error:
        print(f"siam-tracker {command}: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in _EXTRAS:
            raise
        remedy = f"pip install '.[{_EXTRAS[module]}]' in the repository brings it"
        print(f"siam-tracker {command}: the package {module} is not installed; {remedy}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return _reader_left()
    except KeyboardInterrupt:
        print(f"siam-tracker {command}: stopped", file=sys.stderr)
        return 128 + signal.SIGINT
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
