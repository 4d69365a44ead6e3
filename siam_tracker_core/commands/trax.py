"""``siam-tracker trax``: a tracker for vot-toolkit and other clients of the TraX protocol."""

from __future__ import annotations

from siam_tracker_core.commands.words import folders_of
from siam_tracker_core.evaluation.resolve import TrackerSpec
from siam_tracker_core.evaluation.vot.trax import check_library, serve
from siam_tracker_core.zoo_entries import DEFAULT_TRACKER


def trax(tracker: str = DEFAULT_TRACKER, device: str = "auto", peer_models: list[str] | str = "") -> None:
    """Speak TraX over the standard output, or over the socket in TRAX_SOCKET; vot-toolkit starts this.

    ``siam-tracker zoo --vot-ini trackers.ini`` writes the file that tells vot-toolkit how.

    Args:
        tracker: a name of the zoo, a weights file, or a published one (kcf, csrt, mil, nano, nanotrack_v3, fear_xs).
        device: for our trackers: auto, cpu or cuda:0.
        peer_models: folders with the ONNX files of nano, nanotrack_v3 and fear_xs, which are not part of this package:
            in them, or in folders right inside.
    """
    check_library()
    ready = TrackerSpec.of(tracker, device, folders_of(peer_models)).make()
    warm_up = getattr(ready, "warm_up", None)
    if warm_up is not None:
        warm_up()
    serve(ready, tracker)
