"""No output may destroy what it is made of, under whatever name or link."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path

from siam_tracker_core.errors import OutputError

Identity = tuple[int, int]


def check_outputs(outputs: Mapping[str, Path | str | None], inputs: Iterable[Path | str | None]) -> None:
    """Refuse outputs that are, contain or link to an input, and outputs that share a file.

    Args:
        outputs: the paths by the option that gave them; None and the empty text stand for no output.
        inputs: files and folders that are read; what does not exist is passed over. Of a folder, the files that an
            output may hit are given too.

    Raises:
        OutputError: if something would be destroyed; names the option, the output and the input.
    """
    sources = [Path(source) for source in inputs if source is not None and str(source) and Path(source).exists()]
    given = {option: Path(path) for option, path in outputs.items() if path is not None and str(path)}
    for option, path in given.items():
        for source in sources:
            _check(option, path, source)
    for (first, path), (second, other) in combinations(given.items(), 2):
        if path.resolve() == other.resolve() or _identity(path) in {_identity(other)} - {None}:
            raise OutputError(f"{first} and {second} both write {path}; give two names")


def check_outside(option: str, path: Path | str, source: Path | str) -> None:
    """Refuse an output that is, contains or lies in the folder or file that it is made of.

    Args:
        option: that gave the output.
        path: the output.
        source: what it is made of.

    Raises:
        OutputError: if the output would change its own source.
    """
    check_outputs({option: path}, [source])
    if Path(source).exists() and Path(source).resolve() in Path(path).resolve().parents:
        raise OutputError(f"{option} {path} lies in its own source {source}; give a place outside it")


def _check(option: str, path: Path, source: Path) -> None:
    target, origin = path.resolve(), source.resolve()
    if target == origin:
        raise OutputError(f"{option} {path} is the input {_named(path, source)}; give another name")
    if target in origin.parents:
        if path.is_dir():
            raise OutputError(f"{option} {path} is a folder that holds the input {source}; give another place")
        return
    if not path.is_dir() and source.is_file() and _identity(path) in {_identity(source)} - {None}:
        raise OutputError(f"{option} {path} is the input {_named(path, source)}; give another name")


def _named(path: Path, source: Path) -> str:
    return "itself" if path == source else f"{source} by another name or link"


def _identity(path: Path) -> Identity | None:
    """Device and number of a file, which its hard links share; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
