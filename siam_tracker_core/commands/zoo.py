"""``siam-tracker zoo``: the trained trackers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from siam_tracker_core.commands.zoo_page import zoo_page, zoo_table
from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.evaluation.vot.ini import write_trackers_ini
from siam_tracker_core.files import write_text
from siam_tracker_core.zoo import read_zoo
from siam_tracker_core.zoo_entries import ZooEntry

PAGE = Path("docs/model_zoo.md")


def zoo(
    markdown: bool = False,
    check: bool = False,
    page: Path = PAGE,
    folder: Path | None = None,
    vot_ini: Path | None = None,
) -> None:
    """List the trained trackers that come with the package, and check that their files are the ones listed.

    Args:
        markdown: write the list as a page for the documentation instead.
        check: only tell whether that page is up to date.
        page: where that page is.
        folder: holds zoo.yaml and the weights; the package's own by default.
        vot_ini: write the trackers for vot-toolkit into this file (trackers.ini of a workspace) instead.
    """
    entries = list(read_zoo(folder).values())
    if vot_ini is not None:
        write_trackers_ini(vot_ini)
        print(f"wrote {vot_ini}")
    elif markdown or check:
        _page(entries, page, check)
    else:
        print(zoo_table(entries))
    _check(entries)


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
