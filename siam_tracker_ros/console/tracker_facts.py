"""What the tracker node says of itself on /diagnostics."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

# What follows the label, state, score and age of a target: why it is lost, whether it learns.
_REMARKS = re.compile(r"age \d+(?:, (.+))?$")
_STALE = 5.0  # seconds


class TrackerFacts:
    """Keeps the newest diagnostics of one tracker node.

    Args:
        tracker: its full name.
    """

    def __init__(self, tracker: str) -> None:
        self._name = f"{tracker.lstrip('/')}: tracking"
        self._heard = -_STALE
        self.values: Mapping[str, str] = {}
        self.message = ""
        self.is_error = False

    def take(self, array: DiagnosticArray) -> None:
        """Take in a message, perhaps of another node."""
        for status in array.status:
            if status.name == self._name:
                self.values = {value.key: value.value for value in status.values}
                self.message = status.message
                self.is_error = status.level == DiagnosticStatus.ERROR
                self._heard = time.monotonic()

    @property
    def is_fresh(self) -> bool:
        """Whether the node has spoken in the last seconds."""
        return time.monotonic() - self._heard < _STALE

    @property
    def state(self) -> str:
        """The label of its lifecycle state; empty where it is not known."""
        return self.values.get("state", "")

    def number(self, key: str) -> float:
        """A figure; NaN where it is not told."""
        try:
            return float(self.values.get(key, "nan"))
        except ValueError:
            return float("nan")

    def remarks(self, target: int) -> str:
        """What it says of a target beyond state, score and age; empty where nothing."""
        found = _REMARKS.search(self.values.get(f"target {target}", ""))
        return (found.group(1) or "") if found else ""
