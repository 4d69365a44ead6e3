"""Which settings are searched, and where: the spaces that SiamDW published, or a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from siam_tracker_core.config import STRICT, merged, read_config, read_yaml
from siam_tracker_core.errors import ConfigError


@dataclass(frozen=True)
class Parameter:
    """The values that one setting may take: from ``low`` to ``high``, or one of ``choices``.

    Attributes:
        low, high: least and greatest; the setting is a whole number if both are.
        step: distance of the values from each other; any value by default.
        log: search evenly in the logarithm.
        choices: instead of ``low`` and ``high``, the values themselves.
    """

    low: int | float | None = None
    high: int | float | None = None
    step: int | float | None = None
    log: bool = False
    choices: tuple[bool | int | float | str, ...] = ()

    __pydantic_config__ = STRICT

    def check(self, name: str, origin: str) -> None:
        """Refuse what is no range and no choice.

        Raises:
            ConfigError: names the setting and where it was given.
        """
        bounds = (self.low, self.high, self.step)
        if self.choices:
            right = all(bound is None for bound in bounds) and not self.log
        else:
            right = self.low is not None and self.high is not None and self.low < self.high
            right = right and not (self.log and (self.step is not None or self.low <= 0))  # type: ignore[operator]
            right = right and (self.step is None or self.step > 0)
        if not right:
            raise ConfigError(
                f"{origin}: {name} needs low and high with low < high, and a positive step or log at most, "
                "or choices alone"
            )

    @property
    def whole(self) -> bool:
        """Whether its values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


Space = Mapping[str, Parameter]

# researchmm/SiamDW:siamese_tracking/tune_tpe.py, as uniform ranges. A step of exactly 1 is no scale step.
SCALE_SEARCH: Space = {
    "scale_step": Parameter(1.001, 1.2),
    "scale_penalty": Parameter(0.95, 1.0),
    "window_influence": Parameter(0.05, 0.7),
    "scale_lr": Parameter(0.15, 0.7),
}
REGION_PROPOSALS: Space = {
    "penalty_k": Parameter(0.001, 0.6),
    "size_lr": Parameter(0.1, 0.8),
    "window_influence": Parameter(0.05, 0.65),
}


def space_of(config: Any, path: Path | None = None) -> Space:
    """The search space of a file, or the published one that fits a tracker's configuration.

    Args:
        config: the tracker's configuration dataclass.
        path: a YAML file of ``SETTING: {low: 0.1, high: 0.8}`` or ``{choices: [3, 5]}`` lines; a setting inside
            another is written ``lost.recover``.

    Raises:
        ConfigError: if the file is not of that form, names a setting that there is not, or no published space fits.
    """
    if path is None:
        for space in (SCALE_SEARCH, REGION_PROPOSALS):
            if all(hasattr(config, name) for name in space):
                return space
        raise ConfigError(
            f"there is no published search space for {type(config).__name__}; give one in a YAML file with --space"
        )
    space = {}
    for name, values in read_yaml(path).items():
        if not isinstance(values, Mapping):
            raise ConfigError(f"{path}: {name} is {values!r}; expected {{low: ..., high: ...}} or {{choices: [...]}}")
        space[name] = read_config(Parameter, values, f"{path}, {name}")
        space[name].check(name, str(path))
        current_value(config, name, str(path))
    if not space:
        raise ConfigError(f"{path} names no setting to search")
    return space


def current_value(config: Any, name: str, origin: str) -> Any:
    """The value that a configuration has for a setting with dots in its name.

    Raises:
        ConfigError: if there is no such setting.
    """
    value = config
    for part in name.split("."):
        if not hasattr(value, part):
            known = ", ".join(vars(value)) if hasattr(value, "__dict__") else "none"
            raise ConfigError(f"{origin}: there is no setting {name!r}; known are {known}")
        value = getattr(value, part)
    return value


def as_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a configuration file nests them: ``{"lost.recover": 0.7}`` becomes ``{"lost": {"recover": 0.7}}``."""
    settings: dict[str, Any] = {}
    for name, value in values.items():
        nested: Any = value
        for part in reversed(name.split(".")):
            nested = {part: nested}
        settings = merged(settings, nested)
    return settings
