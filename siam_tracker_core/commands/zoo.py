"""``siam-tracker zoo``: the trained trackers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from siam_tracker_core.commands.answers import print_json
from siam_tracker_core.commands.words import words_of
from siam_tracker_core.commands.zoo_page import zoo_facts, zoo_page, zoo_table
from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.evaluation.vot.ini import write_trackers_ini
from siam_tracker_core.fetching import fetch
from siam_tracker_core.files import write_text
from siam_tracker_core.resources import LOCATION_VARIABLE, WEIGHTS, shipped
from siam_tracker_core.zoo import read_zoo
from siam_tracker_core.zoo_entries import ZooEntry

PAGE = Path("docs/model_zoo.md")
ALL = "all"


def zoo(
    get: list[str] | str = "",
    location: str = "",
    json: bool = False,
    markdown: bool = False,
    check: bool = False,
    page: Path = PAGE,
    folder: Path | None = None,
    vot_ini: Path | None = None,
) -> None:
    """List the trained trackers, check that their files are the ones listed, and get those that are not here.

    Args:
        get: names of trackers whose weights are to be got, or all; nothing is listed then.
        location: where to get them from: an address below which the files lie, such as that of a release, or a
            folder. By default what the variable SIAM_TRACKER_WEIGHTS says.
        json: print the list for a script.
        markdown: write the list as a page for the documentation instead.
        check: only tell whether that page is up to date.
        page: where that page is.
        folder: holds zoo.yaml and the weights; the package's own by default.
        vot_ini: write the trackers for vot-toolkit into this file (trackers.ini of a workspace) instead.
    """
    entries = read_zoo(folder)
    if names := words_of(get):
        _get(entries, names, location or os.environ.get(LOCATION_VARIABLE, ""), folder or shipped(WEIGHTS))
        return
    if vot_ini is not None:
        write_trackers_ini(vot_ini)
        print(f"wrote {vot_ini}")
    elif markdown or check:
        _page(entries.values(), page, check)
    elif json:
        print_json([zoo_facts(entry) for entry in entries.values()])
    else:
        print(zoo_table(entries.values()))
        print("figures are of the day and the machine that docs/model_zoo.md names for each", file=sys.stderr)
    if absent := [entry.name for entry in entries.values() if not entry.is_here]:
        print(f"siam-tracker zoo: not here: {', '.join(absent)}; --get gets them", file=sys.stderr)
    _check(entry for entry in entries.values() if entry.is_here)


def _get(entries: Mapping[str, ZooEntry], names: Iterable[str], location: str, installed: Path) -> None:
    chosen = [each for name in names for each in (entries if name == ALL else [name])]
    for name in chosen:
        if name not in entries:
            raise WeightsError(f"there is no tracker {name!r}; known are {', '.join(sorted(entries))}, and {ALL}")
    fetch((entries[name] for name in dict.fromkeys(chosen)), location, print, installed)


def _page(entries: Iterable[ZooEntry], page: Path, check: bool) -> None:
    text = zoo_page(entries)
    if not check:
        page.parent.mkdir(parents=True, exist_ok=True)
        write_text(page, text)
        print(f"wrote {page}")
    elif not page.is_file() or page.read_text(encoding="utf-8") != text:
        raise ConfigError(f"{page} is not what zoo.yaml says; write it anew with siam-tracker zoo --markdown")
    else:
        print(f"{page} is up to date")


def _check(entries: Iterable[ZooEntry]) -> None:
    """See whether all files are whole.

    Raises:
        WeightsError: if some are not; says which and why.
    """
    problems = []
    for entry in entries:
        try:
            entry.check()
        except WeightsError as error:
            problems.append(str(error))
    if problems:
        raise WeightsError("; ".join(problems))
