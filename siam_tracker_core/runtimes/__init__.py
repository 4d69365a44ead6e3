"""Where a trained network runs: the seam between trackers and whatever computes their networks."""

from siam_tracker_core.runtimes.backend import Backend, Tensors
from siam_tracker_core.runtimes.torch_backend import TorchBackend, as_images, joined

__all__ = ["Backend", "Tensors", "TorchBackend", "as_images", "joined"]
