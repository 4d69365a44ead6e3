"""Published trackers behind the interface of ours: peers to measure against, and teachers.

OpenCV's own run without further files, but for "nano"; networks run on ONNX Runtime. None of their weights are part of
this package.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.peers import fear, nanotrack, opencv
from siam_tracker_core.peers.result import PeerResult

NETWORKS = (nanotrack.NAME, fear.NAME)
PEERS = (*opencv.NAMES, *NETWORKS)
DETERMINISTIC = tuple(name for name in PEERS if name != "mil")  # which draws its samples at random

Peer = opencv.OpenCVTracker | nanotrack.NanoTrackV3 | fear.FearXS

__all__ = ["DETERMINISTIC", "NETWORKS", "PEERS", "Peer", "PeerResult", "make_peer", "runtime_of"]


def make_peer(name: str, folders: Sequence[Path] = ()) -> Peer:
    """A published tracker.

    Args:
        name: one of ``PEERS``.
        folders: where the files of those that need some may lie: in one of these, or in a folder right inside one.

    Raises:
        ConfigError: for another name, or where the installed OpenCV or ONNX Runtime lacks what it needs.
        WeightsError: if its files are missing, truncated, not ONNX, or of another network.
    """
    if name not in PEERS:
        raise ConfigError(f"{name!r} is not a published tracker known here: {', '.join(PEERS)}")
    if name == nanotrack.NAME:
        return nanotrack.NanoTrackV3(folders)
    return fear.FearXS(folders) if name == fear.NAME else opencv.OpenCVTracker(name, folders)


def runtime_of(peer: Peer) -> dict[str, str]:
    """What a peer runs on and its version: ``opencv`` or ``onnxruntime``."""
    if isinstance(peer, opencv.OpenCVTracker):
        return {"opencv": cv2.__version__}
    import onnxruntime

    return {"onnxruntime": onnxruntime.__version__}
