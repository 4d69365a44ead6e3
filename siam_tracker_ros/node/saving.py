"""Keeps the node's state file up to date, at a pace that costs nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from siam_tracker_ros.node.parameters import Settings
from siam_tracker_ros.node.state_file import SavedState, StateFile, StateFileError

_SECONDS = 1.0


class TargetSaver:
    """Saves targets once a second, and says what is wrong with that.

    Args:
        settings: of the node, which name the file.
        logger: the node's.
        complain: takes a kind and a sentence.
    """

    def __init__(self, settings: Settings, logger: Any, complain: Callable[[str, str], None]) -> None:
        self._file = StateFile(settings.state_file)
        self._max_age = settings.state_max_age
        self._logger = logger
        self._complain = complain
        self._saved = -float("inf")

    def load(self) -> SavedState | None:
        """The targets of a node that died a moment ago, if there are any that are young enough."""
        try:
            state = self._file.load()
        except StateFileError as error:
            self._complain("state file", str(error))
            return None
        if state is None or not state.targets:
            return None
        if not 0 <= state.age <= self._max_age:
            self._logger.warning(
                f"{len(state.targets)} targets in {self._file} are not restored: they were saved {state.age:.0f} "
                f"seconds ago and the parameter state_max_age is {self._max_age:g}"
            )
            return None
        self._logger.info(f"{len(state.targets)} targets of {state.age:.1f} seconds ago are restored from {self._file}")
        return state

    def save(self, state: SavedState | None) -> None:
        """Save targets, if the last time is long enough ago; where there are none, no file is left."""
        if time.monotonic() - self._saved < _SECONDS:
            return
        self._saved = time.monotonic()
        try:
            if state is None:
                self._file.remove()
            else:
                self._file.save(state)
        except (StateFileError, OSError) as error:
            self._complain("state file", str(error))

    def forget(self) -> None:
        """Remove the file: the node has ended in good order."""
        try:
            self._file.remove()
        except OSError as error:
            self._complain("state file", str(error))
