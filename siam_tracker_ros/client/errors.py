"""What goes wrong when the tracker is asked."""

from __future__ import annotations


class TrackerError(RuntimeError):
    """The tracker refused a request; the sentence is the tracker node's own."""


class TrackerTimeout(TrackerError, TimeoutError):
    """The tracker did not answer in time."""
