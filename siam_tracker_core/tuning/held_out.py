"""What hyper-parameters must not be chosen on: sets that results are reported on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from siam_tracker_core.datasets import Sequence as VideoSequence
from siam_tracker_core.datasets.otb import targets
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.evaluation.tuning_record import plain_name

_TEST_FOLDERS = ("test", "tests", "testing")
_TEST_SETS = ("otb", "vot", "uav123", "uav20l", "dtb70")  # and whatever begins so, e.g. OTB100


def check_held_out(root: Path, tuned_on: str) -> None:
    """Refuse a folder that is marked as a test set, and a search that does not say what it is done on.

    The folder's own name and its parent's count, behind symbolic links.

    Raises:
        ConfigError: if ``tuned_on`` is empty.
        DatasetError: if the folder is called "test" or like a benchmark, or lies in such a one.
    """
    if not tuned_on.strip():
        raise ConfigError('say in words what the sequences are with --tuned_on, e.g. "six held-out training videos"')
    resolved = root.resolve()
    for name in (resolved.name, resolved.parent.name):
        if name.lower() in _TEST_FOLDERS or name.lower().startswith(_TEST_SETS):
            raise DatasetError(
                f"{resolved} is marked as a test set by its folder {name!r}; hyper-parameters that are chosen on what "
                "is reported make the report worthless; give videos that are held out of training"
            )


def split_by_name(sequences: Sequence[VideoSequence]) -> tuple[list[VideoSequence], list[VideoSequence]]:
    """The sequences that may be tuned on, and those with the name of one of OTB's or with the prefix of VOT."""
    reported = {plain_name(name.partition(".")[0]) for name in targets("otb2015")}
    free: list[VideoSequence] = []
    taken: list[VideoSequence] = []
    for sequence in sequences:
        from_vot = sequence.name.lower().startswith("vot")
        (taken if from_vot or plain_name(sequence.name) in reported else free).append(sequence)
    return free, taken
