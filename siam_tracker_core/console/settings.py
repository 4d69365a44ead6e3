"""Checks of what an operator sets."""

from __future__ import annotations

from collections.abc import Iterable

from siam_tracker_core.console.session import RequestRefused, Setting, SettingValue


def checked(settings: Iterable[Setting], name: str, value: SettingValue) -> SettingValue:
    """A value of the setting's own type and within its bounds.

    Raises:
        RequestRefused: if there is no such setting, it is locked, or the value is impossible.
    """
    setting = next((setting for setting in settings if setting.name == name), None)
    if setting is None:
        raise RequestRefused(f"there is no setting {name!r}")
    if setting.locked:
        raise RequestRefused(setting.locked)
    if setting.kind == "number" and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)  # JavaScript has one kind of number
    if type(value) is not type(setting.value) or not _is_possible(setting, value):
        raise RequestRefused(f"{name} cannot be {value!r}; expected {expected(setting)}")
    return value


def expected(setting: Setting) -> str:
    """What a setting may be, in words."""
    if setting.choices:
        return " or ".join(setting.choices)
    words = {"flag": "on or off", "integer": "a whole number", "number": "a number", "text": "a text"}[setting.kind]
    return words if setting.low is None else f"{words} from {setting.low:.12g} to {setting.high:.12g}"


def _is_possible(setting: Setting, value: SettingValue) -> bool:
    if setting.choices:
        return value in setting.choices
    if isinstance(value, str) or setting.low is None or setting.high is None:
        return True
    return setting.low <= value <= setting.high
