"""Configuration: dataclasses with the papers' values as defaults, and YAML files that hold only what differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from siam_tracker_core.errors import ConfigError

T = TypeVar("T")

# For the ``__pydantic_config__`` of a configuration dataclass: an unknown key is an error, and so are a wrong type and
# numbers that are infinite or none.
STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)

_RENAMED = "__renamed__"


def renamed(**new_names: str) -> Callable[[type[T]], type[T]]:
    """Decorator of a configuration dataclass whose settings had other names: new names by the old ones.

    An old name is refused with the new one in the message.
    """

    def mark(cls: type[T]) -> type[T]:
        setattr(cls, _RENAMED, new_names)
        return cls

    return mark


def read_config(cls: type[T], values: Mapping[str, Any], origin: str) -> T:
    """Make a configuration dataclass from a mapping.

    Args:
        cls: a dataclass whose fields carry their ranges as annotations.
        values: what differs from the defaults.
        origin: where the values come from, for the message.

    Raises:
        ConfigError: for an unknown key, a wrong type or an impossible value; names the origin, the key and what would
            be right.
    """
    try:
        return TypeAdapter(cls).validate_python(dict(values))
    except ValidationError as error:
        problems = [
            ": ".join(filter(None, (".".join(str(part) for part in problem["loc"]), _in_words(problem, cls))))
            for problem in error.errors(include_url=False)
        ]
        raise ConfigError(f"{origin}: {'; '.join(problems)}") from None


def _in_words(problem: Any, cls: type) -> str:
    if problem["type"] == "unexpected_keyword_argument":
        new = _new_name(cls, problem["loc"])
        return f"this setting is called {new} now" if new else "there is no such setting"
    if problem["type"] == "value_error":  # of a __post_init__, which says all there is to say
        return str(problem["ctx"]["error"])
    return f"{problem['msg']}, got {problem['input']!r}"


def _new_name(cls: type, place: Sequence[str | int]) -> str | None:
    """What the setting at a place inside a configuration dataclass is called now, if its name is an old one."""
    *path, name = place
    for step in path:
        hint = get_type_hints(cls).get(str(step)) if is_dataclass(cls) else next(iter(get_args(cls)), None)
        if hint is None:
            return None
        cls = hint
    for base in getattr(cls, "__mro__", ()):
        if name in (known := base.__dict__.get(_RENAMED, {})):
            return str(known[name])
    return None


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; an empty file is an empty mapping.

    Raises:
        ConfigError: if the file is missing, is not YAML, or holds something else.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ConfigError(f"configuration file {path} does not exist") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds a {type(content).__name__}, expected settings as `key: value` lines")
    return content


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes`` put over it, mappings inside mappings likewise."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def departures(config: Any) -> dict[str, Any]:
    """What of a configuration dataclass differs from its defaults, of those inside it likewise; undoes ``merged``."""
    return _differing(asdict(config), asdict(type(config)()))


def _differing(values: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    result = {}
    for key, value in values.items():
        if value == usual[key]:
            continue
        inside = isinstance(value, Mapping) and isinstance(usual[key], Mapping)
        result[key] = _differing(value, usual[key]) if inside else value
    return result
