"""Answers for scripts: with ``--json`` standard output holds one JSON value and nothing else."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from json import dumps
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def answering(json: bool) -> Iterator[dict[str, Any]]:
    """A mapping to be filled with a command's answer, which is printed as JSON when the block ends well.

    Args:
        json: whether a script reads. Then what is printed in the block goes to standard error; otherwise to standard
            output, and the answer is not printed.
    """
    answer: dict[str, Any] = {}
    with contextlib.redirect_stdout(sys.stderr) if json else contextlib.nullcontext():
        yield answer
    if json:
        print_json(answer)


def print_json(value: Any) -> None:
    """Print a value for a script; paths become texts."""
    print(dumps(value, indent=2, default=_plain))


def _plain(value: Any) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
