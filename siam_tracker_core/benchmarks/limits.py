"""How near an update on a GPU comes to what the hardware allows: bytes over bandwidth, operations over peak."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from siam_tracker_core.clock import now
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.runtimes.torch_backend import TorchBackend
from siam_tracker_core.trackers.tracker import Tracker

_SIDE = 8192  # of the matrices whose product tells the peak
_BYTES = 1 << 29  # of the copy that tells the bandwidth


def measure_limits(tracker: Tracker, batches: tuple[int, ...] = (1, 32)) -> dict[str, float]:
    """The network's search branch beside this device's measured peak and bandwidth.

    Args:
        tracker: runs in PyTorch on CUDA.
        batches: numbers of crops.

    Raises:
        ConfigError: for a tracker that runs elsewhere.
    """
    backend = getattr(tracker.model, "backend", None)
    if not isinstance(backend, TorchBackend) or backend.device.type != "cuda":
        raise ConfigError("limits are measured of a network in PyTorch on CUDA")
    device, config = backend.device, tracker.model.config
    peak, bandwidth = _peak(device, backend.dtype), _bandwidth(device)
    figures = {"peak_tflops": peak / 1e12, "bandwidth_gb_s": bandwidth / 1e9}
    weights = sum(part.numel() * part.element_size() for part in backend.network.parameters())
    with torch.inference_mode():
        exemplar = config.exemplar_size  # type: ignore[attr-defined]
        size = config.search_size  # type: ignore[attr-defined]
        template = backend.template(torch.zeros(1, 3, exemplar, exemplar, device=device))
        for batch in batches:
            crops = torch.zeros(batch, 3, size, size, device=device)
            rows = tuple(part.repeat(batch, *(1 for _ in part.shape[1:])) for part in template)
            with FlopCounterMode(display=False) as counter:
                backend.network.search(rows, backend.images(crops))
            seconds = _seconds(lambda rows=rows, crops=crops: backend.search(rows, crops), device)  # type: ignore[misc]
            moved = weights + crops.numel() * crops.element_size()
            figures |= {
                f"ms_{batch}": seconds * 1e3,
                f"gflop_{batch}": counter.get_total_flops() / 1e9,
                f"share_of_peak_{batch}": counter.get_total_flops() / seconds / peak,
                f"share_of_bandwidth_{batch}": moved / seconds / bandwidth,
            }
    return figures


def _peak(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second of a large product of matrices."""
    left = torch.randn(_SIDE, _SIDE, device=device, dtype=dtype)
    return 2 * _SIDE**3 / _seconds(lambda: left @ left, device, 5)


def _bandwidth(device: torch.device) -> float:
    """Bytes a second that a large copy reads and writes."""
    source = torch.empty(_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * _BYTES / _seconds(lambda: target.copy_(source), device, 10)


def _seconds(run: Callable[[], object], device: torch.device, runs: int = 30) -> float:
    for _ in range(3):
        run()
    times = []
    for _ in range(runs):
        began = now(device)
        run()
        times.append(now(device) - began)
    return statistics.median(times)
