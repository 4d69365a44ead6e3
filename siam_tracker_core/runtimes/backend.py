"""What a tracker asks of the runtime of its network: two calls, tensors in and tensors out."""

from __future__ import annotations

from typing import Protocol

import torch

# What a branch gives: one tensor or several, each with the batch as its first dimension.
Tensors = tuple[torch.Tensor, ...]


class Backend(Protocol):
    """A Siamese network that is ready to run.

    Crops are what ``Frame.crops`` gives: BGR (N, 3, S, S) in 0..255 on ``device``, uint8 or float32, channels last in
    memory. The order of channels, the number type and the size of a batch inside the backend are its own affair. What
    it gives is on ``device`` again.

    Attributes:
        runtime: ``torch``, ``onnxruntime``, ``openvino`` or ``tensorrt``.
        precision: ``single``, ``half`` or ``int8``.
        device: where crops come from and answers go to.
        stride: of the response, in pixels of the search crop.
        threads: of its own pool, whatever PyTorch is told; None where PyTorch's number counts, or none.
    """

    runtime: str
    precision: str
    device: torch.device
    stride: int
    threads: int | None

    def template(self, crops: torch.Tensor) -> Tensors:
        """The template branch on exemplar crops (N, 3, S, S).

        Returns:
            What ``search`` compares with, each tensor with N rows. Rows of several targets are joined with
            ``torch.cat`` and one target's are cut out by slices.
        """
        ...

    def search(self, template: Tensors, crops: torch.Tensor) -> Tensors:
        """The search branch on N * M search crops (N * M, 3, S, S), M crops in a row for every one of N templates.

        Returns:
            SiamFC: raw responses (N * M, 1, rows, columns), float32, without the correlation's bias.
            SiamRPN and anchor-free heads: scores (N * M, k, rows, columns), the probability of "target", and boxes
            (N * M, k, rows, columns, 4): centre from the crop's middle, width and height in pixels of the crop; both
            float32, with k boxes a cell. Of trackers that learn from them, the search features follow, see
            ``networks.siamese.WithFeatures``.
        """
        ...
