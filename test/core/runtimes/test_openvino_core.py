"""OpenVINO's core stays to the end of the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("openvino", reason="OpenVINO is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")

SCRIPT = """
import gc, os, signal
from siam_tracker_core import load_tracker
heard = []
signal.signal(signal.SIGUSR1, lambda *_: heard.append(1))
for name in ("siamfc", "siamrpn_mobilenetv2"):
    tracker = load_tracker(name, "cpu", runtime="openvino", cache=CACHE, threads=1)
    tracker.warm_up(4)
    del tracker
    gc.collect()
    os.kill(os.getpid(), signal.SIGUSR1)
print("heard", len(heard))
"""


def test_a_signal_is_heard_after_trackers_went(cache):
    """A handler in Python runs on the stack that a core of OpenVINO gave the thread, which went with it."""
    script = "from pathlib import Path\nCACHE = Path(" + repr(str(cache)) + ")\n" + SCRIPT
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 0, f"{told.returncode}: {told.stderr[-500:]}"
    assert told.stdout.strip().endswith("heard 2")
