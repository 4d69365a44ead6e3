"""What the command lines of this package share."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from typing import Any


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Names the defaults, except empty ones, which each option explains itself."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, "", False):
            return action.help
        return super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """Takes options with hyphens or underscores, as ``siam-tracker`` does: ``--image-topic`` and ``--image_topic``."""

    def parse_known_args(  # type: ignore[override]  # argparse has overloads for types of namespaces
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        """As argparse's own, which ``parse_args`` calls."""
        given = sys.argv[1:] if args is None else args
        return super().parse_known_args([_hyphenated(word) for word in given], namespace)


def _hyphenated(word: str) -> str:
    option, equals, value = word.partition("=")
    return f"{option.replace('_', '-')}{equals}{value}" if word.startswith("--") else word


def positive(text: str) -> float:
    """A positive, finite number from the command line."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return value
