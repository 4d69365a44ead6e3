"""Writes what is made of the tracker node's parameters: ``python -m siam_tracker_ros.node.parameter_files``.

Run it in the repository after a change of ``Settings``: config/tracker_node.yaml and docs/node_parameters.md follow.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import yaml

from siam_tracker_ros.declarations import Changes, Declaration
from siam_tracker_ros.node.parameters import DECLARATIONS

FILES = ("config/tracker_node.yaml", "docs/node_parameters.md")
WIDTH = 116

_YAML_HEAD = """\
# Parameters of the tracker node, with their defaults.
# The wildcard makes the file fit whatever name and namespace the node is given.
/**:
  ros__parameters:
"""
_SECTIONS = {
    Changes.WHILE_UNCONFIGURED: "What to run: read when the node is configured.",
    Changes.WHILE_INACTIVE: "What to hear: read when the node is activated.",
    Changes.ANY_TIME: "May change at any time.",
    Changes.NEVER: "Read once, at start.",
}
_PAGE_HEAD = """\
# Parameters of the tracker node

Each is a parameter of the node (`ros2 param describe /siam_tracker NAME`), a key of config/tracker_node.yaml, and an
argument of `ros2 launch siam_tracker_ros tracker.launch.py` (`NAME:=VALUE`). An argument goes before the file.
"""


def yaml_text(declarations: Mapping[str, Declaration] = DECLARATIONS) -> str:
    """A parameter file with every default, and what each parameter means above it."""
    blocks = []
    for changes, title in _SECTIONS.items():
        lines = [f"# {title}", ""]
        for name, declaration in _of(declarations, changes).items():
            lines += textwrap.wrap(_meaning(declaration), WIDTH - 6, initial_indent="# ", subsequent_indent="# ")
            lines.append(yaml.safe_dump({name: declaration.default}, default_flow_style=False).strip())
        blocks.append(textwrap.indent("\n".join(lines), "    "))
    return _YAML_HEAD + "\n\n".join(blocks) + "\n"


def markdown(declarations: Mapping[str, Declaration] = DECLARATIONS) -> str:
    """A page with a table of the parameters for each time at which they may change."""
    parts = [_PAGE_HEAD]
    for changes, title in _SECTIONS.items():
        rows = [
            f"| `{name}` | {_code(declaration.default)} | {_domain(declaration)} | {_cell(declaration.description)} |"
            for name, declaration in _of(declarations, changes).items()
        ]
        parts.append("\n".join([f"## {title}\n", "| name | default | values | meaning |", "|---|---|---|---|", *rows]))
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def write(root: Path) -> None:
    """Write the files below the repository's root."""
    for name, text in zip(FILES, (yaml_text(), markdown()), strict=True):
        (root / name).write_text(text, encoding="utf-8")


def _of(declarations: Mapping[str, Declaration], changes: Changes) -> dict[str, Declaration]:
    return {name: each for name, each in declarations.items() if each.changes is changes}


def _meaning(declaration: Declaration) -> str:
    bounds = f" {declaration.expected().capitalize()}." if declaration.range is not None else ""
    choices = f" One of {', '.join(declaration.choices)}." if declaration.choices else ""
    return declaration.description + bounds + choices


def _domain(declaration: Declaration) -> str:
    if declaration.range is not None:
        return f"{declaration.range[0]:.12g} to {declaration.range[1]:.12g}"
    if declaration.known is not None:
        return "a name of the [zoo](model_zoo.md)"
    return _cell(", ".join(declaration.choices) or declaration.expected())


def _code(default: object) -> str:
    return f"`{yaml.safe_dump(default).splitlines()[0]}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    write(Path.cwd())
