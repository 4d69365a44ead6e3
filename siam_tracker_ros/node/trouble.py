"""What can befall the tracking thread, and how the node gets over it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Kind(enum.Enum):
    """What has happened."""

    DIED = "died"
    HANGS = "hangs"
    OUT_OF_MEMORY = "is out of memory"


@dataclass(frozen=True)
class Trouble:
    """Why the tracking thread has to be replaced.

    Attributes:
        kind: what has happened.
        words: more about it, for people.
    """

    kind: Kind
    words: str

    def __str__(self) -> str:
        return f"the tracking thread {self.kind.value}: {self.words}"


@dataclass(frozen=True)
class Remedy:
    """How to go on after a trouble.

    Attributes:
        device: to load the tracker on.
        targets: how many of them may be followed again, those set first before the others.
    """

    device: str
    targets: int


def remedy(trouble: Trouble, device: str, targets: int) -> Remedy:
    """Out of memory: the CPU in place of a GPU, and half of the targets on the CPU; else the same again.

    Args:
        trouble: what has happened.
        device: that the tracker ran on, e.g. ``"cuda:0"``.
        targets: how many were followed.
    """
    if trouble.kind is not Kind.OUT_OF_MEMORY:
        return Remedy(device, targets)
    if device.startswith("cuda"):
        return Remedy("cpu", targets)
    return Remedy(device, max(1, targets // 2))
