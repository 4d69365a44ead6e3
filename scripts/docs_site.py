"""What MkDocs asks while it builds the site: the navigation, and the reference pages, which are made of the code.

Nothing that is made here is written into ``docs/``. A page of ``docs/`` that no section below names is listed under
*More*, and a name below without a page is passed over, so that pages may come and go.
"""

from __future__ import annotations

import contextlib
import io
import os
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]

SECTIONS = {
    "Tutorials": ["first_target", "robot", "training", "evaluation", "add_a_tracker"],
    "Troubleshooting": ["troubleshooting"],
    "How-to": [
        "console",
        "bags",
        "docker",
        "debian",
        "runtimes",
        "gpu",
        "peers",
        "evaluation_vot",
        "steady",
        "security",
    ],
    "Reference": [
        "command_line",
        "reference/commands",
        "ros",
        "node_parameters",
        "reference/interfaces",
        "reference/settings",
        "reference/api",
        "data",
        "model_zoo",
    ],
    "Explanation": [
        "architecture",
        "papers",
        "siamfc",
        "siamdw",
        "siamrpn",
        "siamban",
        "dsiam",
        "srt",
        "mdnet",
        "cascade",
        "online",
        "performance",
    ],
    "Laboratory": ["figures", "laboratory"],
    "Versions": ["release_notes"],
}

# What the page of the Python interface shows.
API = [
    "siam_tracker_core",
    "siam_tracker_core.trackers.model",
    "siam_tracker_core.trackers.results",
    "siam_tracker_core.geometry",
    "siam_tracker_core.errors",
]

_LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>\.\./[^)]*)\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make the navigation of the pages that are there."""
    there = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    there |= set(generated())
    nav: list[Any] = [{"Start": "index.md"}]
    for title, names in SECTIONS.items():
        nav.append({title: [f"{name}.md" for name in names if name in there]})
    rest = sorted(there - {"index"} - {name for names in SECTIONS.values() for name in names})
    if rest:
        nav.append({"More": [f"{name}.md" for name in rest]})
    config.nav = nav
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made of the code."""
    for name, make in generated().items():
        files.append(File.generated(config, f"{name}.md", content=make()))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """The page with links to files of the repository, which are no pages, as plain names."""

    def plain(link: re.Match[str]) -> str:
        inside = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page.file.src_uri), link["target"]))
        if inside.startswith("docs/"):
            return link.group()
        if not (ROOT / inside.partition("#")[0]).exists():
            raise FileNotFoundError(f"{page.file.src_uri} links to {link['target']}, which is not there")
        return f"`{inside}`"

    return _LINK.sub(plain, markdown)


def generated() -> dict[str, Any]:
    """The pages that are made of the code, each by what makes it."""
    return {
        "reference/commands": commands_page,
        "reference/interfaces": interfaces_page,
        "reference/settings": settings_page,
        "reference/api": api_page,
    }


def commands_page() -> str:
    """Every command's help, as it prints it."""
    sys.path.insert(0, str(ROOT))
    from siam_tracker_core.cli import main
    from siam_tracker_core.commands.listing import COMMANDS

    os.environ["COLUMNS"] = "100"
    parts = ["# Commands\n\nWhat each command's `--help` prints."]
    for command, (_, sentence) in COMMANDS.items():
        text = io.StringIO()
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
            main([command, "--help"])
        parts.append(f"## {command}\n\n{sentence[0].upper()}{sentence[1:]}.\n\n```text\n{text.getvalue().strip()}\n```")
    return "\n\n".join(parts) + "\n"


def interfaces_page() -> str:
    """Every message, service and action, as it is defined."""
    parts = ["# Messages, services, actions\n\nOf the package `siam_tracker_msgs`."]
    for kind, title in (("msg", "Messages"), ("srv", "Services"), ("action", "Actions")):
        parts.append(f"## {title}")
        for file in sorted((ROOT / "siam_tracker_msgs" / kind).glob(f"*.{kind}")):
            parts.append(f"### {file.stem}\n\n```text\n{file.read_text(encoding='utf-8').strip()}\n```")
    return "\n\n".join(parts) + "\n"


def settings_page() -> str:
    """Every file of settings that comes with the package."""
    parts = [
        "# Files of settings\n\n`siam-tracker train --explain` and the pages of the trackers tell what each key means. "
        "A file holds what differs from the defaults."
    ]
    for folder, title in (("config/trackers", "Trackers"), ("config/train", "Training"), ("config", "Node")):
        parts.append(f"## {title}")
        for file in sorted((ROOT / folder).glob("*.yaml")):
            parts.append(f"### {folder}/{file.name}\n\n```yaml\n{file.read_text(encoding='utf-8').strip()}\n```")
    return "\n\n".join(parts) + "\n"


def api_page() -> str:
    """The public Python interface, by mkdocstrings."""
    return "# Python\n\n" + "\n\n".join(f"::: {name}" for name in API) + "\n"
