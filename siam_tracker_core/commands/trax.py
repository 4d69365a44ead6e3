"""``siam-tracker trax``: a tracker for vot-toolkit and other clients of the TraX protocol."""

from __future__ import annotations

from pathlib import Path

from siam_tracker_core.evaluation.peers import DEFAULT_NANO_MODELS
from siam_tracker_core.evaluation.resolve import TrackerSpec
from siam_tracker_core.evaluation.vot.trax import check_library, serve
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER


def trax(tracker: str = DEFAULT_TRACKER, device: str = "auto", nano_models: Path = DEFAULT_NANO_MODELS) -> None:
    """Speak TraX over the standard output, or over the socket in TRAX_SOCKET; vot-toolkit starts this.

    ``siam-tracker zoo --vot-ini trackers.ini`` writes the file that tells vot-toolkit how.

    Args:
        tracker: a name of the zoo, a weights file, kcf, csrt, mil or nano.
        device: for our trackers: auto, cpu or cuda:0.
        nano_models: folder with NanoTrack's two ONNX files.
    """
    check_library()
    ready = TrackerSpec.of(tracker, device, nano_models).make()
    warm_up = getattr(ready, "warm_up", None)
    if warm_up is not None:
        warm_up()
    serve(ready, tracker)
