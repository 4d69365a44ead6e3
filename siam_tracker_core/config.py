"""Configuration: dataclasses with the papers' values as defaults, and YAML files that hold only what differs.

A configuration dataclass carries its ranges as annotations. Names that its settings had before stand in its
``__renamed__``, the new ones with a dot where a setting moved into a group: a user is told the new one, and settings
stored in weights files are read by ``with_new_names``.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

import numpy as np

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.files import read_text

if TYPE_CHECKING:
    import yaml
    from pydantic import ConfigDict, TypeAdapter

T = TypeVar("T")

# For the ``__pydantic_config__`` of a configuration dataclass: an unknown key is an error, and so are a wrong type and
# numbers that are infinite or none.
STRICT: ConfigDict = {"extra": "forbid", "allow_inf_nan": False}


def read_config(cls: type[T], values: Mapping[str, Any], origin: str) -> T:
    """Make a configuration dataclass from a mapping.

    Types are taken at their word: ``"0.2"`` is no number, and ``"no"`` no boolean. A whole number is a number.

    Args:
        cls: a dataclass whose fields carry their ranges as annotations.
        values: what differs from the defaults.
        origin: where the values come from, for the message.

    Raises:
        ConfigError: for an unknown key, a wrong type or an impossible value; names the origin, the key and what would
            be right.
    """
    from pydantic import ValidationError  # here, for it takes long to load

    if old := list(_old_names(cls, values)):
        raise ConfigError(f"{origin}: {'; '.join(f'{name} is called {new} now' for name, new in old)}")
    try:
        # JSON's strict reading: lists are tuples there and words are paths, but no word is a number.
        return _adapter(cls).validate_json(json.dumps(dict(values), default=_plain), strict=True)
    except ValidationError as error:
        problems = [
            ": ".join(filter(None, (".".join(str(part) for part in problem["loc"]), _in_words(problem))))
            for problem in error.errors(include_url=False)
        ]
        raise ConfigError(f"{origin}: {'; '.join(problems)}") from None


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(cls: type[T]) -> TypeAdapter[T]:
    """What checks values for a class. Making it takes milliseconds, and the zoo alone asks for fifty."""
    from pydantic import TypeAdapter

    if cls not in _ADAPTERS:
        _ADAPTERS[cls] = TypeAdapter(cls)
    return _ADAPTERS[cls]


def with_new_names(cls: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that were stored under names of an earlier version, under those of this one.

    Args:
        cls: the configuration dataclass that they are of.
        values: the settings; those of dataclasses inside it are mappings.
    """
    renamed, inner = _renamed(cls), _inner(cls)
    result: dict[str, Any] = {}
    for key, value in values.items():
        path = renamed.get(key, key)
        if path in inner and isinstance(value, Mapping):
            value = with_new_names(inner[path], value)
        for name in reversed(path.split(".")):
            value = {name: value}
        result = merged(result, value)
    return result


def _old_names(cls: type[Any], values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Settings under old names, with the new ones."""
    renamed, inner = _renamed(cls), _inner(cls)
    for key, value in values.items():
        if key in renamed:
            yield f"{prefix}{key}", f"{prefix}{renamed[key]}"
        elif key in inner and isinstance(value, Mapping):
            yield from _old_names(inner[key], value, f"{prefix}{key}.")


def _renamed(cls: type[Any]) -> dict[str, str]:
    """New names by old ones, of a class and those that it is made from."""
    return {old: new for base in reversed(cls.__mro__) for old, new in vars(base).get("__renamed__", {}).items()}


def _inner(cls: type[Any]) -> dict[str, type[Any]]:
    """The fields of a dataclass that are dataclasses themselves."""
    if not is_dataclass(cls):
        return {}
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if is_dataclass(hints[field.name])}


def _plain(value: object) -> object:
    """What JSON takes in place of a value that it does not know."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)


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
    import yaml

    path = Path(path)
    if not path.exists():
        raise ConfigError(f"configuration file {path} does not exist")
    try:
        content = yaml.load(read_text(path, ConfigError), Loader=_yaml_loader())  # a SafeLoader
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds a {type(content).__name__}, expected settings as `key: value` lines")
    return content


@cache
def _yaml_loader() -> type[yaml.SafeLoader]:
    """A safe loader that takes 1e-3 for a number, as YAML 1.2 does; YAML 1.1 takes it for a word."""
    import yaml

    class Loader(yaml.SafeLoader):
        """See above."""

    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
    )
    return Loader


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
