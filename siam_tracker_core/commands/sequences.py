"""Which sequences and trackers a command runs on, from the words it was given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from siam_tracker_core.commands.words import words_of
from siam_tracker_core.datasets import read_sequence, read_sequences
from siam_tracker_core.datasets.benchmarks import read_benchmark
from siam_tracker_core.datasets.otb_form import GROUND_TRUTH
from siam_tracker_core.datasets.skipped import Skipped
from siam_tracker_core.datasets.types import Sequence as VideoSequence
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.pixels import Orientation
from siam_tracker_core.zoo import read_zoo

BENCHMARKS = ("otb", "vot", "got10k", "lasot", "uav123", "dtb70", "davis", "folder")
VERSIONS = {"otb": ("2013", "50", "2015"), "vot": ("2015", "2016", "2017", "2018", "2019")}
DEFAULT_VERSIONS = {"otb": "2015", "vot": "2017"}


def tracker_names(trackers: Sequence[str] | str) -> list[str]:
    """The names in a list, or in a text with commas or spaces between them; ``zoo`` stands for all of the zoo.

    Raises:
        ConfigError: if there is none.
    """
    names = [name for word in words_of(trackers) for name in (read_zoo() if word == "zoo" else [word])]
    if not names:
        raise ConfigError("no tracker was named; give at least one, e.g. --trackers siamfc")
    return names


def read_sequences_of(
    benchmark: str,
    root: Path,
    version: str = "",
    skipped: Skipped | None = None,
    orientation: Orientation = "exif",
) -> list[VideoSequence]:
    """The sequences of a data set.

    Args:
        benchmark: one of ``BENCHMARKS``.
        root: where it lies.
        version: of otb, one of ``VERSIONS``.
        skipped: takes the malformed sequences of a folder, which are left out then.
        orientation: ``exif`` turns images as they say, ``stored`` leaves them as they lie.

    Raises:
        DatasetError: if the folder is missing, incomplete or malformed.
    """
    if benchmark == "folder":
        found = load_sequences(root, skipped)
    else:
        found = read_benchmark(f"otb{version}" if benchmark == "otb" else benchmark, root)
    return found if orientation == "exif" else [replace(each, orientation=orientation) for each in found]


def load_sequences(root: Path, skipped: Skipped | None = None) -> list[VideoSequence]:
    """All sequences in OTB's form under a folder, or the one that it is.

    Args:
        root: the folder.
        skipped: takes malformed sequences, which are left out then.

    Raises:
        DatasetError: if there is no sequence, or one is malformed.
    """
    if (root / GROUND_TRUTH).is_file():
        return [read_sequence(root)]
    found = read_sequences(root, skipped)
    if not found and skipped is not None:
        raise DatasetError(f"{root} holds no sequence that can be read: {'; '.join(skipped.lines())}")
    return found


def chosen_sequences(sequences: list[VideoSequence], names: Sequence[str]) -> list[VideoSequence]:
    """The sequences of some names, in that order; all where no name is given.

    Raises:
        ConfigError: if there is none of a name.
    """
    by_name = {sequence.name: sequence for sequence in sequences}
    if unknown := [name for name in names if name not in by_name]:
        raise ConfigError(f"there is no sequence {', '.join(unknown)}; known are {', '.join(sorted(by_name))}")
    return [by_name[name] for name in dict.fromkeys(names)] if names else sequences


def first_frames(sequences: Iterable[VideoSequence], frames: int | None) -> list[VideoSequence]:
    """The sequences, cut to their first ``frames`` frames if that is given.

    Raises:
        ConfigError: if ``frames`` is not positive.
    """
    if frames is not None and frames < 1:
        raise ConfigError(f"frames is {frames}; give 1 or more, or leave it out to take all")
    return [sequence if frames is None else sequence.head(frames) for sequence in sequences]


def what_and_where(benchmark: str, root: Path | None) -> tuple[str, Path]:
    """The benchmark and the folder it lies in; a folder in place of the benchmark is one of sequences.

    Raises:
        ConfigError: if it is neither, or a benchmark without its folder.
    """
    if benchmark in BENCHMARKS:
        if root is None:
            raise ConfigError(f"where does {benchmark} lie? give its folder with --root")
        return benchmark, root
    if root is None and Path(benchmark).is_dir():
        return "folder", Path(benchmark)
    raise ConfigError(
        f"{benchmark!r} is neither a benchmark ({', '.join(BENCHMARKS)}) nor a folder of sequences; "
        "give e.g. otb --root OTB100"
    )


def version_of(benchmark: str, version: str) -> str:
    """The version that was asked for, or the default one; empty where there is only one.

    Raises:
        ConfigError: if the benchmark has no such version.
    """
    known = VERSIONS.get(benchmark, ())
    if version and version not in known:
        there_are = f"it has {', '.join(known)}" if known else "it has one only"
        raise ConfigError(f"{benchmark} has no version {version!r}; {there_are}")
    return version or DEFAULT_VERSIONS.get(benchmark, "")


def title_of(benchmark: str, root: Path, version: str) -> str:
    """The title of a report that is given none."""
    if benchmark == "vot":
        return f"VOT-{version} on {root.resolve().name}"
    name = {"folder": root.resolve().name, "otb": f"OTB-{version}"}.get(benchmark, benchmark)
    return f"One-pass evaluation on {name}"
