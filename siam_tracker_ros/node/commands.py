"""What others ask of the tracking thread; it takes these from one queue, in order, between images."""

from __future__ import annotations

import contextlib
import math
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field

from siam_tracker_core import Box


class Refused(ValueError):
    """A request that cannot be met; the sentence says why and what would be right."""


@dataclass(frozen=True, eq=False)
class SetCommand:
    """Follow what is inside a box.

    Attributes:
        stamp: of the image that the box was drawn on, in nanoseconds; 0 for the newest.
        box: in pixels of that image.
        id: 0 for a new target.
        label: free text.
        image_deadline: until when the image is waited for where it has not come yet, in seconds of ``time.monotonic``.
        answer: gets the target's id once it has caught up with the newest image, or ``Refused``.
    """

    stamp: int
    box: Box
    id: int = 0
    label: str = ""
    image_deadline: float = -math.inf
    answer: Future[int] = field(default_factory=Future)


@dataclass(frozen=True, eq=False)
class RemoveCommand:
    """Stop following one target, or all for None; the answer is how many were removed, or ``Refused``."""

    id: int | None
    answer: Future[int] = field(default_factory=Future)


@dataclass(frozen=True, eq=False)
class ReturnCommand:
    """Look whether a target is where something was detected; the answer is the target's id, or ``Refused``.

    Attributes:
        stamp: of the image that was detected in, in nanoseconds.
        id: of the target.
        boxes: of the detections, in pixels of that image.
        lost: whether the target is lost, and is to be brought back where its network recognises it; else the first
            box's size becomes that of the target.
    """

    stamp: int
    id: int
    boxes: tuple[Box, ...]
    lost: bool
    answer: Future[int] = field(default_factory=Future)


Command = SetCommand | RemoveCommand | ReturnCommand


def give(answer: Future[int], value: int) -> None:
    """Answer, unless somebody else did in the meantime."""
    with contextlib.suppress(InvalidStateError):
        answer.set_result(value)


def refuse_future(answer: Future[int], reason: str) -> None:
    """Answer with a refusal, unless somebody else did in the meantime."""
    with contextlib.suppress(InvalidStateError):
        answer.set_exception(Refused(reason))


def refuse(command: Command, reason: str) -> None:
    """Answer a command with a refusal."""
    refuse_future(command.answer, reason)
