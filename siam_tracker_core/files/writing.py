"""Results are written beside their place, checked, and moved there whole."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from siam_tracker_core.errors import OutputError

_REMEDIES = {
    errno.ENOSPC: "make room, or give a place on another disk",
    errno.EDQUOT: "make room, or give a place on another disk",
    errno.EFBIG: "give a place that takes larger files",
    errno.EROFS: "give a place that can be written",
    errno.EACCES: "give a place that can be written",
    errno.EPERM: "give a place that can be written",
}


def cannot_write(path: Path, problem: OSError) -> OutputError:
    """The sentence about a file that could not be written."""
    remedy = _REMEDIES.get(problem.errno or 0, "give another place")
    return OutputError(f"{path} cannot be written ({(problem.strerror or str(problem)).lower()}); {remedy}")


def partial_of(path: Path) -> Path:
    """Where a file is written until it is whole: hidden, beside its place, of this process alone, of the same type."""
    return path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")


def is_stream(path: Path) -> bool:
    """Whether a path is there and is no file but something to write into, such as ``/dev/null`` or a named pipe."""
    return path.exists() and not path.is_file() and not path.is_dir()


def check_writable(path: Path) -> None:
    """Find out before a long run whether a file can be written, by writing beside it.

    Raises:
        OutputError: if the path is a folder, its folder is missing, or nothing can be written there.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder; give the name of a file")
    path = path.resolve()
    if is_stream(path):
        return
    if not path.parent.is_dir():
        what = "is not a folder" if path.parent.exists() else "does not exist"
        raise OutputError(f"{path} cannot be written: the folder {path.parent} {what}; make it first")
    if path.exists() and not os.access(path, os.W_OK):
        raise OutputError(f"{path} cannot be written (permission denied); give another name")
    try:
        with tempfile.TemporaryFile(dir=path.parent) as file:
            file.write(b"\0")
    except OSError as problem:
        raise cannot_write(path, problem) from None


def made_folder(path: Path) -> Path:
    """A folder for results, made with its parents where it is missing.

    Raises:
        OutputError: if there is a file of that name, or nothing can be written there.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"\0")
    except FileExistsError:
        raise OutputError(f"{path} is a file; give the name of a folder") from None
    except OSError as problem:
        raise cannot_write(path, problem) from None
    return path


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """A UTF-8 text file to be written, which takes its place when the block ends, closed and whole.

    What stood at ``path`` before stays until then, and stays for good if the block raises.

    Raises:
        OutputError: if it cannot be written, also where that shows only at the end, as on a full disk.
    """
    target = path.resolve()  # a link stays a link
    partial = target if is_stream(target) else partial_of(target)
    try:
        try:
            file = partial.open("w", encoding="utf-8", newline="")
        except OSError as problem:
            raise cannot_write(path, problem) from None
        try:
            with file:
                yield file
                _flush(file)
            if partial != target:
                partial.replace(target)
        except OSError as problem:
            raise cannot_write(path, problem) from None
    finally:
        if partial != target:
            partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; its folder is made where it is missing.

    Raises:
        OutputError: if it cannot be written.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all; its folder is made where it is missing.

    Raises:
        OutputError: if it cannot be written.
    """
    target = path.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if is_stream(target):
            target.write_bytes(data)
            return
        partial = partial_of(target)
        try:
            with partial.open("wb") as file:
                file.write(data)
                _flush(file)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as problem:
        raise cannot_write(path, problem) from None


def _flush(file: IO[Any]) -> None:
    """See that a full disk is told of now, not after the file was closed."""
    file.flush()
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        os.fsync(file.fileno())
