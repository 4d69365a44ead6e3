"""Settings as YAML with a comment on each, out of their dataclasses and docstrings."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml
from docstring_parser import DocstringStyle, parse

from siam_tracker_core.training.engine.export import plain

WIDTH = 110


def explained(parts: Mapping[str, Any], left_out: Mapping[str, Collection[str]] | None = None) -> str:
    """YAML that ``--config`` reads, with a comment above each setting.

    Args:
        parts: instances of configuration dataclasses by the key that they have in the file.
        left_out: settings that are not shown, by the same keys.
    """
    left_out = left_out or {}
    return "\n".join(
        f"{name}:\n{textwrap.indent(_block(part, left_out.get(name, ())), '  ')}" for name, part in parts.items()
    )


def _block(part: Any, left_out: Collection[str]) -> str:
    words = meanings(type(part))
    lines = []
    for field in fields(part):
        if field.name in left_out:
            continue
        value = getattr(part, field.name)
        comment = words.get(field.name, "")
        choices = _choices(type(part), field.name)
        if any(choice not in comment for choice in choices):
            comment = f"{comment} One of {', '.join(choices)}.".strip()
        lines += textwrap.wrap(comment, WIDTH, initial_indent="# ", subsequent_indent="# ")
        if is_dataclass(value):
            lines += [f"{field.name}:", textwrap.indent(_block(value, ()), "  ").rstrip("\n")]
        else:
            flow = None if isinstance(value, tuple) else False
            lines.append(yaml.safe_dump({field.name: plain(_inner(value))}, default_flow_style=flow).rstrip("\n"))
    return "\n".join(lines) + "\n"


def _inner(value: Any) -> Any:
    """Dataclasses inside tuples as mappings."""
    if isinstance(value, tuple):
        return [_inner(each) for each in value]
    return dict(vars(value)) if is_dataclass(value) else value


def meanings(cls: type) -> dict[str, str]:
    """What the docstrings of a class and its bases say of its attributes, by name."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        for entry in parse(base.__dict__.get("__doc__") or "", style=DocstringStyle.GOOGLE).params:
            for name in entry.arg_name.split(", "):
                found[name] = " ".join((entry.description or "").replace("``", "").split())
    return found


def _choices(cls: type, name: str) -> list[str]:
    hint = get_type_hints(cls)[name]
    return [str(choice) for choice in get_args(hint)] if get_origin(hint) is Literal else []
