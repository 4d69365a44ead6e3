"""Which file of an archive is which tracker's result on which sequence, by the layouts that are in use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from siam_tracker_core.errors import DatasetError

SUFFIXES = (".txt", ".mat")
LAYOUTS = "SEQUENCE_TRACKER.mat or .txt, TRACKER/SEQUENCE.txt, or TRACKER/SEQUENCE/SEQUENCE_001.txt"

# What the makers of archives add to a tracker's name: LaSOT's folders are SiamFC_tracking_result.
_ADDITIONS = re.compile(r"_?tracking_results?$", re.IGNORECASE)

Found = dict[str, dict[str, Path]]


def find_results(folder: Path, sequences: Iterable[str]) -> Found:
    """The result files below a folder, by tracker and sequence.

    Layouts, which may be mixed; the folder is an archive of several trackers or the folder of one:

    - ``SEQUENCE_TRACKER.mat`` or ``.txt``: the archives of OTB's benchmark, e.g. ``jogging-1_ASLA.mat``;
    - ``TRACKER/SEQUENCE.txt`` or ``.mat``: LaSOT's archive, and what most authors of trackers give for OTB;
    - ``TRACKER/SEQUENCE/SEQUENCE_001.txt``: the got10k toolkit's; the first repetition is taken.

    Args:
        folder: where to look.
        sequences: names of the data set; upper and lower case, and ``Jogging.1`` for ``jogging-1``, do not matter.

    Raises:
        DatasetError: if there is no result of any of the sequences, or two of one tracker on one sequence.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; expected published results in it, as {LAYOUTS}")
    spellings = _spellings(sequences)
    found: Found = {}
    for path in _files(folder):
        owner = _owner(path, spellings)
        if owner is None:
            continue
        tracker, sequence = owner
        earlier = found.setdefault(tracker, {}).setdefault(sequence, path)
        if earlier != path:
            raise DatasetError(f"{earlier} and {path} are both {tracker}'s result on {sequence}; remove one of them")
    if not found:
        raise DatasetError(f"{folder} holds no result on any of the sequences; expected {LAYOUTS}")
    return found


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def _spellings(sequences: Iterable[str]) -> dict[str, str]:
    """Each sequence by the names that archives give it, in lower case; the longest first."""
    names: dict[str, str] = {}
    for sequence in sequences:
        plain = sequence.lower()
        for spelling in (plain, plain.replace(".", "-"), plain.replace(".", "_")):
            names[spelling] = sequence
    # Of Human4 only the second target counts, and archives name it without its number.
    for sequence in list(names.values()):
        stem, point, _ = sequence.lower().partition(".")
        if point and sum(other.lower().startswith(f"{stem}.") for other in set(names.values())) == 1:
            names.setdefault(stem, sequence)
    return dict(sorted(names.items(), key=lambda item: -len(item[0])))


def _owner(path: Path, spellings: Mapping[str, str]) -> tuple[str, str] | None:
    """The tracker and the sequence of a file; None for one that is no result on any of the sequences."""
    stem = path.stem.lower()
    if stem in spellings:
        return _tracker(path.parent), spellings[stem]
    if path.parent.name.lower() in spellings:  # a folder a sequence, with repetitions and times in it
        first = stem == f"{path.parent.name.lower()}_001"
        return (_tracker(path.parent.parent), spellings[path.parent.name.lower()]) if first else None
    for spelling, sequence in spellings.items():
        if stem.startswith(f"{spelling}_"):
            tracker = path.stem[len(spelling) + 1 :]
            return None if tracker.lower() in ("time", "times") or tracker.isdecimal() else (tracker, sequence)
    return None


def _tracker(folder: Path) -> str:
    name = folder.resolve().name
    return _ADDITIONS.sub("", name) or name
