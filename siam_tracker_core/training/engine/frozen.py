"""The front of a backbone that never trains, run by whatever computes it fastest."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks.backbone import Backbone, GivesEarlier
from siam_tracker_core.runtimes.openvino_backend import openvino_core


class _Front(nn.Module):
    def __init__(self, backbone: Backbone, units: int) -> None:
        super().__init__()
        self.features = nn.Sequential(*backbone.units()[:units])
        self.register_buffer("mean", backbone.mean.clone())  # type: ignore[operator]
        self.register_buffer("std", backbone.std.clone())  # type: ignore[operator]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.features((images - self.mean) / self.std)  # type: ignore[operator]


class FrozenFront:
    """The first units of a backbone without gradients: in OpenVINO on a CPU where it is installed, else in PyTorch.

    The network's own weights are read at the first call, after the start weights were loaded.

    Args:
        backbone: whose units are a chain.
        units: how many belong to the front.

    Raises:
        ConfigError: if the backbone's units are no chain, or not so many.
    """

    def __init__(self, backbone: Backbone, units: int) -> None:
        most = len(backbone.units()) if isinstance(backbone, GivesEarlier) else 0
        if units > most:
            raise ConfigError(
                f"frozen_front is {units}, and {type(backbone).__name__} has "
                + (f"{most} units" if most else "none that can be run apart; leave it at 0")
            )
        self.backbone, self.units = backbone, units
        self._front: _Front | None = None
        self._requests: dict[int, object] = {}

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Features of RGB images (N, 3, S, S) in 0..255."""
        if self._front is None:
            self._front = _Front(self.backbone, self.units).eval().requires_grad_(False)
        if images.device.type == "cpu":
            run = self._request(images.shape[-1])
            if run is not None:
                # One by one: a single image's features stay in the caches.
                parts = [np.array(run({0: image.contiguous().numpy()})) for image in images.split(1)]
                return torch.from_numpy(np.concatenate(parts)).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            return self._front.to(images.device).eval()(images)  # type: ignore[no-any-return]

    def _request(self, size: int):  # type: ignore[no-untyped-def]
        if size not in self._requests:
            try:
                import openvino
            except ImportError:
                self._requests[size] = None
                return None
            # OpenVINO does not know the conversions that autocast would put into the trace.
            with torch.no_grad(), torch.autocast("cpu", enabled=False):
                model = openvino.convert_model(self._front, example_input=torch.zeros(1, 3, size, size))
            model.reshape([1, 3, size, size])
            options = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False}
            request = openvino_core().compile_model(model, "CPU", options).create_infer_request()
            self._requests[size] = lambda inputs: request.infer(inputs)[0]
        return self._requests[size]
