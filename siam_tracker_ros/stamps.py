"""Time stamps as whole nanoseconds, which compare and subtract exactly."""

from __future__ import annotations

from builtin_interfaces.msg import Time

_SECOND = 1_000_000_000


def to_nanoseconds(stamp: Time) -> int:
    """Nanoseconds since the clock's epoch."""
    return int(stamp.sec) * _SECOND + int(stamp.nanosec)


def from_nanoseconds(nanoseconds: int) -> Time:
    """The message for a number of nanoseconds since the clock's epoch."""
    return Time(sec=nanoseconds // _SECOND, nanosec=nanoseconds % _SECOND)


def as_text(nanoseconds: int) -> str:
    """A stamp for people: seconds with all nine decimals, so that it can be given back exactly."""
    return f"{nanoseconds // _SECOND}.{nanoseconds % _SECOND:09d}"
