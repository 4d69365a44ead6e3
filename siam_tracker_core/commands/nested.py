"""Single settings of a mapping on the command line: ``--data.pairs.negative_share 0.2`` changes that one and no other.

jsonargparse takes such words for parameters that are dictionaries, but with two dots or more it replaces the whole
mapping in between, so that the file's other settings in it would be lost without a word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from siam_tracker_core.config import merged
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.files import read_text


class _Loader(yaml.SafeLoader):
    """Takes 1e-3 for a number, as jsonargparse does; YAML 1.1 takes it for a word."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def gather_nested(function: Callable[..., Any], words: Sequence[str]) -> list[str]:
    """The words of a command line with each ``--parameter.key[.key...] value`` made part of ``--parameter {...}``.

    What the parameter has in the files after ``--config``, and by itself on the command line, stays as it is otherwise.

    Args:
        function: the command; its parameters that can be a dictionary are meant.
        words: what follows the command's name.

    Raises:
        ConfigError: for a key without a value, or a value or file that is no YAML.
    """
    names = {name for name, hint in get_type_hints(function).items() if _is_mapping(hint)}
    others, changes = _take(names, words)
    if not changes:
        return list(words)
    base: dict[str, Any] = {}
    for option, text in _options(others):
        if option == "config":
            base = merged(base, _file(text))
        elif option in changes:
            base[option] = _value(text, f"--{option}")
    for name, change in changes.items():
        before = base.get(name)
        others.append(f"--{name}={json.dumps(merged(before, change) if isinstance(before, Mapping) else change)}")
    return others


def _take(names: set[str], words: Sequence[str]) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """The words that set no single key, and the changes that the others make, by parameter."""
    others: list[str] = []
    changes: dict[str, dict[str, Any]] = {}
    index = 0
    while index < len(words):
        word = words[index]
        index += 1
        key, sign, text = word.partition("=")
        path = key.removeprefix("--").split(".")
        if not word.startswith("--") or len(path) < 2 or path[0] not in names:
            others.append(word)
            continue
        texts = [text]
        if not sign:
            stop = next((place for place in range(index, len(words)) if words[place].startswith("--")), len(words))
            # One value, unless several follow: a list.
            texts, index = list(words[index:stop]), stop
        if not texts or "" in path:
            raise ConfigError(f"{key} needs a value, as in --{path[0]}.key VALUE")
        values = [_value(each, key) for each in texts]
        change: Any = values[0] if len(values) == 1 else values
        for part in reversed(path):
            change = {part: change}
        changes = merged(changes, change)
    return others, changes


def _options(words: Sequence[str]) -> list[tuple[str, str]]:
    """Names and first values of the options among words."""
    found = []
    for word, following in pairwise([*words, ""]):
        if word.startswith("--"):
            name, sign, text = word[2:].partition("=")
            found.append((name, text if sign else following))
    return found


def _is_mapping(hint: Any) -> bool:
    """Whether a parameter can be a dictionary."""
    return get_origin(hint) is dict or any(get_origin(part) is dict for part in get_args(hint))


def _file(path: str) -> dict[str, Any]:
    try:
        content = yaml.load(read_text(Path(path), ConfigError), _Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    return content if isinstance(content, dict) else {}


def _value(text: str, key: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError:
        raise ConfigError(f"the value of {key}, {text}, is not as a YAML file would have it") from None
