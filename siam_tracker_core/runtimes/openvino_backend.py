"""Exported graphs in OpenVINO: the fastest on most CPUs, x86-64 and aarch64 alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from siam_tracker_core.errors import ExportError, RuntimeMissingError
from siam_tracker_core.runtimes.backend import Tensors
from siam_tracker_core.runtimes.graph_backend import GraphBackend
from siam_tracker_core.runtimes.libraries import OPENVINO
from siam_tracker_core.runtimes.manifest import Manifest

_HALF = ("BF16", "FP16")


class OpenVINOBackend(GraphBackend):
    """Runs graphs on the CPU with OpenVINO.

    A crop alone takes all threads, which is the shortest way for it. Several crops go side by side, each in one thread,
    which is the shortest way for all of them. Threads are not bound to cores and do not wait in loops, so that other
    work on the cores delays a frame by its own share and no more.

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
        self._core = OPENVINO.load().Core()
        self._settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self.threads,
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": "f32" if self.precision != "half" else self._half(),
        }
        if cache is not None:
            self._settings["CACHE_DIR"] = str(cache)

    def _half(self) -> str:
        can = native_halves(self._core)
        if not can:
            raise RuntimeMissingError(
                "this CPU has no arithmetic in half precision (bfloat16 or float16); use precision single"
            )
        return "bf16" if "BF16" in can else "f16"

    def _open(self, path: Path) -> _Graph:
        # The template branch runs once for a target, and all later answers depend on its values.
        exact = {"INFERENCE_PRECISION_HINT": "f32"} if path.stem == "template" else {}

        def ready(settings: dict[str, Any]) -> Any:
            try:
                return self._core.compile_model(str(path), "CPU", self._settings | exact | settings)
            except RuntimeError as error:
                said = f"OpenVINO cannot load {path}: {_last_line(error)}; export the tracker again"
                raise ExportError(said) from None

        return _Graph(ready, self.threads or 1)

    def _run_several(self, session: _Graph, parts: Sequence[Sequence[torch.Tensor]]) -> list[Tensors]:
        return session.several(parts)


class _Graph:
    """A compiled graph with the memory that it works in.

    Args:
        ready: compiles it with more settings.
        threads: of the runtime.
    """

    def __init__(self, ready: Callable[[dict[str, Any]], Any], threads: int) -> None:
        self._ready, self._threads = ready, threads
        self._request = ready({}).create_infer_request()
        self._lanes: list[Any] = []

    def __call__(self, inputs: Sequence[torch.Tensor]) -> Tensors:
        answers = self._request.infer([part.numpy() for part in inputs], share_inputs=True, share_outputs=False)
        return tuple(torch.from_numpy(answers[number]) for number in range(len(answers)))

    def several(self, parts: Sequence[Sequence[torch.Tensor]]) -> list[Tensors]:
        """Answers to all parts: as many at once as there are threads, each in one."""
        if self._threads == 1:
            return [self(part) for part in parts]
        lanes = self._ready_lanes()
        fed = [[each.numpy() for each in part] for part in parts]  # shared with the requests until they have ended
        answers: list[Tensors] = []
        for number in range(len(fed) + len(lanes)):
            lane = lanes[number % len(lanes)]
            if number >= len(lanes) and len(answers) < len(fed):
                lane.wait()
                answers.append(tuple(torch.from_numpy(each.data.copy()) for each in lane.output_tensors))
            if number < len(fed):
                lane.start_async(fed[number], share_inputs=True)
        return answers

    def _ready_lanes(self) -> list[Any]:
        """Requests of a copy of the graph in which each has one thread; made when they are first asked for."""
        if not self._lanes:
            compiled = self._ready({"NUM_STREAMS": self._threads})
            self._lanes = [compiled.create_infer_request() for _ in range(self._threads)]
        return self._lanes


def native_halves(core: Any = None) -> list[str]:
    """Which half-precision types this CPU computes in hardware, of ``BF16`` and ``FP16``; emulation is no gain."""
    core = core or OPENVINO.load().Core()
    capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return [name for name in _HALF if name in capabilities]


def _last_line(error: Exception) -> str:
    """What OpenVINO has to say; before it come places in its own sources."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
