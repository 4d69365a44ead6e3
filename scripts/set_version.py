"""Write a version into every file that has to name it; the one that counts is in siam_tracker_core/__init__.py.

python scripts/set_version.py 0.2.0     writes it, and dates the section of CHANGELOG.md by hand
python scripts/set_version.py           tells the version, and fails if a file names another
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Each file with what stands before and after the version in it; setup.py reads the first one.
PLACES = {
    "siam_tracker_core/__init__.py": (r'^__version__ = "', '"'),
    "package.xml": (r"<version>", "<"),
    "siam_tracker_msgs/package.xml": (r"<version>", "<"),
    "siam_tracker_msgs/pyproject.toml": (r'^version = "', '"'),
    "CITATION.cff": (r"^version: ", r"\n"),
}


def versions(root: Path) -> dict[str, str]:
    """The version that each file names.

    Raises:
        SystemExit: if a file names none.
    """
    return {name: _find(root / name, *around).group(2) for name, around in PLACES.items()}


def write(root: Path, version: str) -> None:
    """Write a version into all files.

    Raises:
        SystemExit: if it is no version, or a file has no place for it.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise SystemExit(f"{version!r} is no version; give three numbers, such as 0.2.0")
    places = {root / name: _find(root / name, *around) for name, around in PLACES.items()}
    for path, found in places.items():
        text = found.string
        path.write_text(text[: found.start(2)] + version + text[found.end(2) :], encoding="utf-8")


def _find(path: Path, before: str, after: str) -> re.Match[str]:
    found = re.search(f"({before})(.+?)(?={after})", path.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise SystemExit(f"{path} names no version")
    return found


def main(arguments: list[str]) -> int:
    """Run the command line; returns the exit status."""
    if arguments:
        write(ROOT, arguments[0])
    named = versions(ROOT)
    if len(set(named.values())) == 1:
        print(next(iter(named.values())))
        return 0
    print(
        "files name different versions: " + ", ".join(f"{name} {each}" for name, each in named.items()), file=sys.stderr
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
