"""Where a trained network runs: the seam between trackers and whatever computes their networks."""

from siam_tracker_core.runtimes.backend import Backend, Tensors
from siam_tracker_core.runtimes.cuda_graphs import CUDAGraphBackend, torch_backend
from siam_tracker_core.runtimes.torch_backend import TorchBackend, as_images, joined

__all__ = ["Backend", "CUDAGraphBackend", "Tensors", "TorchBackend", "as_images", "joined", "torch_backend"]
