"""``trackers.ini``, by which vot-toolkit finds and starts the zoo's trackers."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.files import write_text
from siam_tracker_core.zoo import read_zoo

_IDENTIFIER = re.compile(r"[a-zA-Z0-9_-]+")  # votchallenge/toolkit:vot/tracker/__init__.py VALID_IDENTIFIER


def trackers_ini(trackers: Mapping[str, str] | None = None, device: str = "auto", python: str = sys.executable) -> str:
    """The text of a ``trackers.ini``: a section a tracker that starts ``siam-tracker trax`` with it.

    Args:
        trackers: what each section starts, a zoo name or a weights file, by the name that vot-toolkit is to use; the
            whole zoo by default.
        device: "auto", "cpu" or "cuda:0".
        python: the interpreter that has this package and vot-trax; vot-toolkit may run in another.

    Raises:
        ConfigError: if a name is none that vot-toolkit takes, or there is no tracker.
    """
    chosen = {name: name for name in read_zoo()} if trackers is None else trackers
    if not chosen:
        raise ConfigError("there is no tracker to write into trackers.ini")
    sections = []
    for name, source in chosen.items():
        if not _IDENTIFIER.fullmatch(name):
            raise ConfigError(f"vot-toolkit takes no tracker called {name!r}; use letters, digits, - and _ only")
        words = [python, "-m", "siam_tracker_core.cli", "trax", "--tracker", source, "--device", device]
        command = shlex.join(words).replace("%", "%%")  # a single % would ask configparser for another value
        sections.append(f"[{name}]\nlabel = {name}\nprotocol = trax\ncommand = {command}\n")
    return "\n".join(sections)


def write_trackers_ini(
    path: Path, trackers: Mapping[str, str] | None = None, device: str = "auto", python: str = sys.executable
) -> None:
    """Write ``trackers_ini`` into a new file.

    Raises:
        ConfigError: if the file exists already with other content, or as ``trackers_ini``.
    """
    text = trackers_ini(trackers, device, python)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise ConfigError(f"{path} exists already and may list other trackers; give another file, or move it away")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
