"""Ranges that settings have, as types."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator

Share = Annotated[float, Ge(0), Le(1)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Count = Annotated[int, Ge(1)]
Whole = Annotated[int, Ge(0)]


def _odd(number: int) -> int:
    if number % 2 == 0:
        raise ValueError(f"{number} is even; give an odd number, so that the middle one changes nothing")
    return number


Odd = Annotated[int, Ge(1), AfterValidator(_odd)]

# Least and largest size relative to the first one.
Limits = tuple[Annotated[float, Gt(0), Le(1)], Annotated[float, Ge(1)]]
