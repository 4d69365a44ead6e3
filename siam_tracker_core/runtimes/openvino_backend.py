"""Exported graphs in OpenVINO: the fastest on most CPUs, x86-64 and aarch64 alike."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from siam_tracker_core.errors import ExportError, RuntimeMissingError
from siam_tracker_core.runtimes.backend import Tensors
from siam_tracker_core.runtimes.graph_backend import GraphBackend, Session
from siam_tracker_core.runtimes.libraries import OPENVINO
from siam_tracker_core.runtimes.manifest import Manifest
from siam_tracker_core.runtimes.openvino_parts import parted

_HALF = ("BF16", "FP16")
_SINGLE = {"INFERENCE_PRECISION_HINT": "f32"}
# A correlation that is rounded to eight bits has its peak in another cell; features may be rounded.
_EXACT_AT_THE_TEMPLATE = ("siamfc",)


class OpenVINOBackend(GraphBackend):
    """Runs graphs on the CPU with OpenVINO.

    One request at a time takes all threads, which is the shortest way for one crop. They are not bound to cores and do
    not wait in loops, so that other work on the cores delays a frame by its own share and no more.

    Args:
        folder, device, threads, manifest, precision: as for ``GraphBackend``.
        cache: folder for compiled graphs, which makes the next start faster; None for no cache.
    """

    runtime = "openvino"
    formats = ("onnx", "openvino")

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        threads: int | None = None,
        manifest: Manifest | None = None,
        precision: str | None = None,
        cache: Path | None = None,
    ) -> None:
        if device.type != "cpu":
            raise RuntimeMissingError(f"OpenVINO runs on the CPU here, not on {device}; use device=cpu")
        super().__init__(folder, device, threads, manifest, precision)
        self._core = openvino_core()
        self._settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self.threads,
            "ENABLE_CPU_PINNING": False,
            **(_SINGLE if self.precision != "half" else {"INFERENCE_PRECISION_HINT": self._half()}),
        }
        if cache is not None:
            self._settings["CACHE_DIR"] = str(cache)

    def _half(self) -> str:
        can = native_halves()
        if not can:
            raise RuntimeMissingError(
                "this CPU has no arithmetic in half precision (bfloat16 or float16); use precision single"
            )
        return "bf16" if "BF16" in can else "f16"

    def _open(self, path: Path) -> Session:
        # The template branch runs once for a target, and all later answers depend on its values.
        exact = _SINGLE if path.stem == "template" else {}
        settings = self._settings | exact
        try:
            if not exact and self.precision == "half" and self.manifest.tracker in _EXACT_AT_THE_TEMPLATE:
                before, after = parted(self._core.read_model(str(path)))
                return _Parted(self._compiled(before, settings), self._compiled(after, settings | _SINGLE))
            return _Request(self._compiled(str(path), settings))
        except RuntimeError as error:
            problem = _last_line(error)
            raise ExportError(f"OpenVINO cannot load {path}: {problem}; export the tracker again") from None

    def _compiled(self, model: Any, settings: dict[str, Any]) -> Any:
        try:
            return self._core.compile_model(model, "CPU", settings).create_infer_request()
        except RuntimeError:  # perhaps of the cache, which another process writes at this moment
            settings = {name: value for name, value in settings.items() if name != "CACHE_DIR"}
            return self._core.compile_model(model, "CPU", settings).create_infer_request()


class _Request:
    """A compiled graph with the memory that it works in."""

    def __init__(self, request: Any) -> None:
        self._request = request

    def __call__(self, inputs: Sequence[torch.Tensor]) -> Tensors:
        answers = self._request.infer([part.numpy() for part in inputs], share_inputs=True, share_outputs=False)
        return tuple(torch.from_numpy(answers[number]) for number in range(len(answers)))


class _Parted:
    """A graph that was cut where the template comes in, see ``parted``."""

    def __init__(self, before: Any, after: Any) -> None:
        self._before, self._after = before, _Request(after)

    def __call__(self, inputs: Sequence[torch.Tensor]) -> Tensors:
        crops, *template = inputs
        made = self._before.infer([crops.numpy()], share_inputs=True, share_outputs=True)
        return self._after([*(torch.from_numpy(made[number]) for number in range(len(made))), *template])


@cache
def openvino_core() -> Any:
    """The one core of this process, which stays to its end.

    A core gives the thread that loads its CPU plugin a stack for signals, as AMX needs a large one, and frees it when
    it goes. The thread keeps it: of a core that went the next signal with a handler in Python would kill the process.

    Raises:
        RuntimeMissingError: if OpenVINO is not installed.
    """
    return OPENVINO.load().Core()


def native_halves() -> list[str]:
    """Which half-precision types this CPU computes in hardware, of ``BF16`` and ``FP16``; emulation is no gain."""
    capabilities = openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return [name for name in _HALF if name in capabilities]


def _last_line(error: Exception) -> str:
    """What OpenVINO has to say; before it come places in its own sources."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
