"""What a parameter of the node is: its default, its meaning, what it may be and when it may change."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Changes(enum.Enum):
    """When a parameter may be changed."""

    ANY_TIME = "any time"
    WHILE_INACTIVE = "takes effect on activation"
    WHILE_UNCONFIGURED = "takes effect on configuration"
    NEVER = "read-only"


@dataclass(frozen=True)
class Declaration:
    """One parameter.

    Attributes:
        default: also gives its type.
        description: for `ros2 param describe`.
        range: lowest and highest value of a number.
        choices: the values a string may have.
        changes: when it may be changed.
    """

    default: str | int | float | bool
    description: str
    range: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    changes: Changes = Changes.ANY_TIME
