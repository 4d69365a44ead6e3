"""Text files, which are UTF-8 here, with or without the mark that some editors put first."""

from __future__ import annotations

import codecs
from pathlib import Path

from siam_tracker_core.errors import DatasetError, SiamTrackerError

_WIDE_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def read_text(path: Path, error: type[SiamTrackerError] = DatasetError) -> str:
    """The text of a UTF-8 file, without a byte order mark.

    Args:
        path: the file.
        error: what to raise.

    Raises:
        SiamTrackerError: of the given class, if the file cannot be read or is in another encoding; names the line and
            the command that converts it.
    """
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise error(f"{path} cannot be read: {problem.strerror or problem}") from None
    wide = next((name for mark, name in _WIDE_MARKS.items() if data.startswith(mark)), "")
    if wide:
        raise error(f"{path}, line 1: the file is {wide}, expected UTF-8; {_remedy(path, wide)}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise error(
            f"{path}, line {line}: byte 0x{data[problem.start]:02x} is not UTF-8, perhaps the file is Latin-1; "
            f"{_remedy(path, 'LATIN1')}"
        ) from None


def _remedy(path: Path, encoding: str) -> str:
    return f"convert it with `iconv -f {encoding} -t UTF-8 {path.name} > converted.txt`"
