"""Configuration: dataclasses with the papers' values as defaults, and YAML files that hold only what differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.files import read_text

T = TypeVar("T")

# For the ``__pydantic_config__`` of a configuration dataclass: an unknown key is an error, and so are a wrong type and
# numbers that are infinite or none.
STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


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
            ": ".join(filter(None, (".".join(str(part) for part in problem["loc"]), _in_words(problem))))
            for problem in error.errors(include_url=False)
        ]
        raise ConfigError(f"{origin}: {'; '.join(problems)}") from None


def _in_words(problem: Any) -> str:
    if problem["type"] == "unexpected_keyword_argument":
        return "there is no such setting"
    if problem["type"] == "value_error":  # of a __post_init__, which says all there is to say
        return str(problem["ctx"]["error"])
    return f"{problem['msg']}, got {problem['input']!r}"


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; an empty file is an empty mapping.

    Raises:
        ConfigError: if the file is missing, is not YAML, or holds something else.
    """
    path = Path(path)
    if not path.exists():
        raise ConfigError(f"configuration file {path} does not exist")
    try:
        content = yaml.safe_load(read_text(path, ConfigError))
    except yaml.YAMLError as error:
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
