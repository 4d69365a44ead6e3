"""What the results in a folder were made with and on, so that results of different things are never mixed.

A tracker's folder ``results/TRACKER`` says in ``tracker.json`` what ran, and in ``sequences.json`` what each sequence
was, because data sets share names: VOT-2015 and VOT-2016 are the same videos with another truth.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from siam_tracker_core.datasets import Sequence
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.files import write_text

IDENTITY = "tracker.json"
SEQUENCES = "sequences.json"
RULES = "experiment.json"

# What a tracker's folder holds of one-pass evaluation and of VOT's experiments.
_RESULTS = ("*.csv", SEQUENCES, "*/*/*.txt", "*/*/*_time.value", f"*/{RULES}", f"*/{SEQUENCES}")


def check_identity(folder: Path, identity: Mapping[str, Any], fresh: bool) -> None:
    """Never mix the results of two trackers that only share a name: other weights, another configuration.

    Args:
        folder: of the tracker's results; made if missing.
        identity: what ``resolve.describe`` gives.
        fresh: remove all results of the other tracker instead of refusing; some of them would be left otherwise, on
            sequences that are not run now, and be taken for this one's later.

    Raises:
        ConfigError: if the folder holds results of another tracker.
    """
    _keep_to(
        folder / IDENTITY,
        identity,
        f"{folder} holds results of another tracker of that name (see {IDENTITY} there: other weights, "
        "configuration or device)",
        _RESULTS if fresh else None,
    )


def check_rules(folder: Path, rules: Mapping[str, Any], fresh: bool) -> None:
    """Never mix runs that were made by different rules.

    Args:
        folder: of a tracker's runs in one experiment; made if missing.
        rules: of the experiment.
        fresh: remove the runs by other rules instead of refusing.

    Raises:
        ConfigError: if the folder holds runs by other rules.
    """
    _keep_to(
        folder / RULES,
        rules,
        f"{folder} holds runs by other rules (see {RULES} there)",
        ("*/*.txt", "*/*_time.value", SEQUENCES) if fresh else None,
    )


def _keep_to(path: Path, content: Mapping[str, Any], complaint: str, replaced: Iterable[str] | None) -> None:
    """Write what a folder's results were made by, unless something else stands there already.

    Args:
        path: the file that tells it, in the folder.
        content: ready for JSON.
        complaint: what the folder holds otherwise, for the message.
        replaced: patterns of the results to remove then, in place of refusing.

    Raises:
        ConfigError: if something else stands there and nothing is to be replaced.
    """
    text = _text(content)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        if replaced is None:
            raise ConfigError(f"{complaint}; give another output folder, or --fresh to replace them")
        for pattern in replaced:
            for result in path.parent.glob(pattern):
                result.unlink()
    write_text(path, text)


def check_sequences(folder: Path, made_on: Mapping[str, Any], fresh: bool) -> None:
    """Never take results on one sequence for results on another of the same name.

    Args:
        folder: of the results; made if missing.
        made_on: ``start_of`` or ``truth_of`` of each sequence that is to be run, by its name.
        fresh: note the new ones instead of refusing; the caller replaces their results.

    Raises:
        ConfigError: if the folder holds results on others; names them.
    """
    path = folder / SEQUENCES
    try:
        known = dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        known = {}
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path} cannot be read ({error}); give another output folder") from None
    changed = [name for name in made_on if name in known and known[name] != made_on[name]]
    if changed and not fresh:
        named = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
        raise ConfigError(
            f"{folder} holds results on other sequences of the same name ({named}): with another number of frames or "
            "another truth; give another output folder, or --fresh to replace them"
        )
    write_text(path, _text({**known, **made_on}))


def start_of(sequence: Sequence) -> dict[str, Any]:
    """What a one-pass run depends on: the number of frames and the box that the tracker is started with."""
    start = sequence.boxes[:1]
    return {"frames": len(sequence), "start": None if np.isnan(start).any() else start.ravel().tolist()}


def truth_of(sequence: Sequence) -> dict[str, Any]:
    """What a supervised run depends on: the number of frames and the truth in each, as a hash."""
    digest = hashlib.sha256(_bytes(sequence.boxes))
    for polygon in sequence.polygons or ():
        digest.update(b"-" if polygon is None else _bytes(polygon))
    return {"frames": len(sequence), "truth": digest.hexdigest()[:16]}


def _bytes(values: np.ndarray) -> bytes:
    """The same for the same numbers: one NaN and one zero only."""
    return (np.where(np.isnan(values), np.nan, values) + 0.0).astype("<f8").tobytes()


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, sort_keys=True)
