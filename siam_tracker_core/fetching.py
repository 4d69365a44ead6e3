"""Weights that are not installed: fetched by name from a release or a folder, and taken only with the right SHA-256."""

from __future__ import annotations

import hashlib
import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from tqdm import tqdm

from siam_tracker_core.errors import WeightsError
from siam_tracker_core.files.writing import cannot_write, made_folder, partial_of
from siam_tracker_core.resources import LOCATION_VARIABLE, fetched_weights
from siam_tracker_core.weights import sha256, shared_files
from siam_tracker_core.zoo_entries import ZooEntry

CHUNK = 2**18  # bytes
TIMEOUT = 30.0  # seconds without a byte, after which a server is taken for gone

_ADDRESS = re.compile(r"https?://", re.IGNORECASE)


def fetch(entries: Iterable[ZooEntry], location: str, tell: Callable[[str], object], installed: Path) -> None:
    """Get trackers' weights files, and those with which they share tensors, into the same folder; each file once.

    A file that is there and whole is left alone. Nothing appears under its name before it is whole.

    Args:
        entries: of the zoo. A damaged file is replaced where it lies, a missing one goes to ``fetched_weights()``.
        location: an address below which files lie by their names, or a folder; may be empty if none is known.
        tell: takes a sentence for each file.
        installed: the folder of the installed weights, from which shared files are copied.

    Raises:
        WeightsError: if a file cannot be had, or is not the one that the zoo lists; says where to put it by hand.
        OutputError: if it cannot be written.
    """
    done: set[tuple[Path, str]] = set()

    def obtain(target: Path, digest: str) -> None:
        if (target, digest) not in done:
            tell(f"{target} is {_obtained(target, digest, location, installed)}")
            done.add((target, digest))

    for entry in entries:
        own = made_folder(entry.path.parent if entry.path.is_file() else fetched_weights()) / entry.path.name
        obtain(own, entry.sha256)
        for name, digest in shared_files(own).items():
            obtain(own.with_name(name), digest)


def _obtained(target: Path, digest: str, location: str, installed: Path) -> str:
    """Get a file that is not there; where it is from, in words."""
    if target.is_file() and sha256(target) == digest:
        return "here"
    near = installed / target.name
    source = str(installed) if near.is_file() and sha256(near) == digest else location
    if not source:
        raise WeightsError(
            f"{target.name} is not here, and no place is known to get it from: give one with --location (an address "
            f"or a folder) or {LOCATION_VARIABLE}; or {by_hand(target, digest)}"
        )
    _take(source, target, digest)
    return f"from {source}"


def by_hand(target: Path, digest: str) -> str:
    """What a user without a network can do."""
    return f"put the file with SHA-256 {digest} at {target}"


def _take(location: str, target: Path, digest: str) -> None:
    """Copy or download a file to its place if its SHA-256 is right."""
    where = f"{location.rstrip('/')}/{quote(target.name)}" if _ADDRESS.match(location) else Path(location, target.name)
    chunks = _downloaded(where) if isinstance(where, str) else _read(where)
    partial = partial_of(target)
    seen, count = hashlib.sha256(), 0
    try:
        try:
            file = partial.open("wb")
        except OSError as problem:
            raise cannot_write(target, problem) from None
        with file:
            for chunk in _or_sentence(chunks, where, target, digest):
                seen.update(chunk)
                count += len(chunk)
                try:
                    file.write(chunk)
                except OSError as problem:
                    raise cannot_write(target, problem) from None
        if seen.hexdigest() != digest:
            raise WeightsError(
                f"{where} is not the {target.name} that the zoo lists: its {count} bytes have another SHA-256, and "
                f"nothing of it was kept; {by_hand(target, digest)}"
            )
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _or_sentence(chunks: Iterator[bytes], where: str | Path, target: Path, digest: str) -> Iterator[bytes]:
    """The chunks; what goes wrong on the way to them is told in a sentence."""
    try:
        yield from chunks
    except urllib.error.HTTPError as error:
        reason = f"HTTP status {error.code}, {error.reason}"
    except urllib.error.URLError as error:
        reason = str(getattr(error.reason, "strerror", None) or error.reason).lower()
    except (http.client.HTTPException, OSError) as error:
        reason = str(getattr(error, "strerror", None) or error or type(error).__name__).lower()
    else:
        return
    raise WeightsError(f"{where} cannot be fetched ({reason}); without a network, {by_hand(target, digest)}") from None


def _downloaded(address: str) -> Iterator[bytes]:
    """The bytes at an address of http or https; progress is shown on a terminal."""
    request = urllib.request.Request(address, headers={"User-Agent": "siam-tracker"})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # nosec B310: http or https alone
        length = int(answer.headers.get("Content-Length") or 0)
        name = address.rpartition("/")[2]
        with tqdm(total=length or None, desc=name, unit="B", unit_scale=True, disable=None) as progress:
            while chunk := answer.read(CHUNK):
                progress.update(len(chunk))
                yield chunk


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
