"""Ranges that settings of trackers have, as types."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator

from siam_tracker_core.limits import Count, NotNegative, Positive, Share, Whole

__all__ = ["Count", "Limits", "NotNegative", "Odd", "Positive", "Share", "Whole"]


def _odd(number: int) -> int:
    if number % 2 == 0:
        raise ValueError(f"{number} is even; give an odd number, so that the middle one changes nothing")
    return number


Odd = Annotated[int, Ge(1), AfterValidator(_odd)]

# Least and largest size relative to the first one.
Limits = tuple[Annotated[float, Gt(0), Le(1)], Annotated[float, Ge(1)]]
