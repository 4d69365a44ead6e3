"""What a report tells of a run beside its figures: what failed, how it went, what was tuned on what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from siam_tracker_core.datasets.types import Sequence as VideoSequence
from siam_tracker_core.evaluation.report.page import Provenance
from siam_tracker_core.evaluation.runner import Failure
from siam_tracker_core.evaluation.tuning_record import tuned_among

PEER_TUNING = "not by us: its authors' settings"
UNKNOWN_TUNING = "not recorded in the weights file"

Identities = Mapping[str, Mapping[str, Any]]


def describe_failures(failures: Sequence[Failure]) -> list[str]:
    """One sentence for each sequence that a tracker did not finish."""
    return [f"{failure.tracker} failed on {failure.sequence}: {failure.reason}" for failure in failures]


def tuning_warnings(identities: Identities, sequences: Sequence[VideoSequence]) -> list[str]:
    """One sentence for each tracker whose settings were tuned on what it is evaluated on, or for other weights."""
    lines = []
    for name, identity in identities.items():
        record = identity.get("tuning")
        if record is None:
            continue
        if "by" in record:
            lines.append(
                f"{name} runs with settings that {record['by']} tuned on {record['tuned_on']} for other weights; its "
                "figures there say nothing of how it does elsewhere."
            )
            continue
        if seen := tuned_among(record, sequences):
            lines.append(
                f"{name} was tuned on {len(seen)} of these sequences ({', '.join(seen)}); its figures say nothing of "
                "how it does on others."
            )
        if record.get("weights") not in identity["weights"].values():
            lines.append(f"{name} runs with settings that were tuned for other weights, those of {record['tracker']}.")
    return lines


def notes(jobs: int, address: str, resumed: int, total: int) -> list[str]:
    """What a reader must know of how a run went.

    Args:
        jobs: processes that shared it.
        address: of the Dask scheduler, or empty.
        resumed: results that were there before.
        total: all results.
    """
    lines = []
    if address:
        lines.append(
            f"It ran on the workers of the Dask cluster at {address}; the machine below only gathered the results."
        )
    elif jobs > 1:
        lines.append(f"{jobs} processes shared the machine, so speeds are lower than with one.")
    if resumed:
        lines.append(f"{resumed} of {total} results were taken over from an earlier run in the same folder.")
    return lines


def provenances(identities: Identities) -> dict[str, Provenance]:
    """Each tracker's weights and what its hyper-parameters were tuned on, as far as its files tell."""
    return {name: provenance_of(identity) for name, identity in identities.items()}


def provenance_of(identity: Mapping[str, Any]) -> Provenance:
    """What ``resolve.describe`` knows of a tracker, for the report."""
    training = dict(identity.get("provenance", {}))
    tuned_on = str(
        training.pop("tuned_on", PEER_TUNING if {"opencv", "onnxruntime"} & identity.keys() else UNKNOWN_TUNING)
    )
    known = {name: value for name, value in training.items() if isinstance(value, str | int | float)}
    details = {"training data": str(known.pop("data"))} if "data" in known else {}
    if known:
        details["training"] = ", ".join(f"{name} {value}" for name, value in known.items())
    if "device" in identity:
        details["ran on"] = identity["device"]
    if "settings" in identity:
        details["settings"] = identity["settings"]
        record = identity["tuning"]
        if record is None:
            tuned_on = f"settings in {identity['settings']}: not recorded; otherwise {tuned_on}"
        elif "by" in record:
            tuned_on = f"{record['tuned_on']} by {record['by']}, for other weights; otherwise {tuned_on}"
        else:
            tuned_on = f"{record['tuned_on']} ({', '.join(record['space'])}); otherwise {tuned_on}"
            details["tuning"] = (
                f"{record['trials']} trials on {len(record['sequences'])} sequences, seed {record['seed']}"
            )
            before, after = record["success_auc"]["before"], record["success_auc"]["after"]
            details["success AUC there"] = f"{before:.3f} before, {after:.3f} after"
    return Provenance(identity["weights"], tuned_on, details)
