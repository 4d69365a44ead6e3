"""One log line for each change of state that is worth knowing, and one for each image where that is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.logging import LoggingSeverity

from siam_tracker_ros.node.answers import Answer
from siam_tracker_ros.node.targets import Target
from siam_tracker_ros.stamps import as_text

_RATE_AFTER = 2.0  # seconds of images, before their rate is told
_PAUSE = 1.0  # seconds between two lines about one target, however often it is lost and found


class Journal:
    """Writes what happens into the node's log.

    Args:
        logger: the node's.
        topic: the resolved image topic.
        period: gives the seconds between two images.
        clock: gives seconds.
    """

    def __init__(
        self, logger: Any, topic: str, period: Callable[[], float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger = logger
        self._topic = topic
        self._period = period
        self._clock = clock
        self._first = float("nan")
        self._rate_told = False
        self._size: tuple[int, int] | None = None
        self._told: dict[int, tuple[bool, float]] = {}

    def heard(self, publishers: int) -> None:
        """Note how many publishers of images this node hears now: those it is connected with, and that fit."""
        count = f"{publishers} publisher{'s' if publishers != 1 else ''}"
        self._logger.info(f"images on {self._topic} are heard from {count} now")

    def saw(self, answer: Answer) -> None:
        """Note what is new in the answer to an image."""
        if self._logger.is_enabled_for(LoggingSeverity.DEBUG):
            self._logger.debug(_details(answer))
        if answer.refusal or answer.pixels is None:  # complained of elsewhere
            return
        height, width = answer.pixels.shape[:2]
        self._note_size((width, height), answer.image.encoding)
        if not self._rate_told and self._clock() - self._first > _RATE_AFTER:
            self._rate_told = True
            self._logger.info(f"images come at {1 / self._period():.1f} a second on {self._topic}")
        for target in answer.targets:
            self._note_target(target)
        if len(self._told) > len(answer.targets):
            present = {target.id for target in answer.targets}
            self._told = {key: value for key, value in self._told.items() if key in present}

    def _note_size(self, size: tuple[int, int], encoding: str) -> None:
        if size == self._size:
            return
        now = "{}x{}".format(*size)
        if self._size is None:
            self._first = self._clock()
            self._logger.info(f"the first image on {self._topic} has come: {now}, {encoding}")
        else:
            self._logger.warning("the images on {} were {}x{} and are {} now".format(self._topic, *self._size, now))
        self._size = size

    def _note_target(self, target: Target) -> None:
        was_lost, when = self._told.setdefault(target.id, (False, -float("inf")))
        now = self._clock()
        if target.is_lost == was_lost or now - when < _PAUSE:
            return
        self._told[target.id] = (target.is_lost, now)
        if target.is_lost:
            why = f": {target.result.reason}" if target.result.reason else ""
            self._logger.info(f"{name_of(target.id, target.label)} is lost{why}")
        else:
            self._logger.info(f"{name_of(target.id, target.label)} is found again, score {target.result.score:.2f}")


def name_of(target_id: int, label: str) -> str:
    """A target for people."""
    return f"target {target_id} '{label}'" if label else f"target {target_id}"


def _details(answer: Answer) -> str:
    image = answer.image
    waited = (time.monotonic() - image.received) * 1e3
    update = "" if answer.update_seconds is None else f", update {answer.update_seconds * 1e3:.1f} ms"
    targets = "; ".join(
        f"{name_of(each.id, each.label)} {each.result.state.value} {each.result.score:.2f}" for each in answer.targets
    )
    outcome = answer.refusal or targets or "no targets"
    return f"image {image.number} of {as_text(image.stamp)}: answered after {waited:.1f} ms{update}: {outcome}"
