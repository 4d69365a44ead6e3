"""The gain and bias with which a network's correlations become logits of "the target is here"."""

from __future__ import annotations

from collections.abc import Sequence as Many
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

from siam_tracker_core.crop import Frame
from siam_tracker_core.datasets.types import Sequence
from siam_tracker_core.errors import DatasetError
from siam_tracker_core.geometry import Box, Window, context_size
from siam_tracker_core.networks.dsiam import DSiamNetwork

EXEMPLAR, SEARCH, RADIUS = 127, 255, 16.0
LOOKS = 10  # frames of a sequence that are looked at, evenly spread


def fit_response(network: DSiamNetwork, sequences: Many[Sequence]) -> tuple[float, float]:
    """The gain and bias of a logistic regression from the fused response to whether the target is within 16 pixels.

    The exemplar is each sequence's first frame, the search images are around the target in later ones, and nothing is
    transformed. Cells on and off the target weigh one half each.

    Args:
        network: its own gain and bias are not looked at; on the CPU.
        sequences: training sequences with ground truth.

    Returns:
        Gain, above 0, and bias: the response is positive where the target is likelier than not.

    Raises:
        DatasetError: if no sequence has two frames with a target, or the response does not rise on targets.
    """
    network.eval()
    values: list[NDArray[Any]] = []
    labels: list[NDArray[np.bool_]] = []
    with torch.inference_mode():
        for sequence in tqdm(sequences, desc="looking at targets", unit="sequence", disable=None):
            shown = [number for number in range(len(sequence)) if sequence.box(number) is not None]
            if len(shown) < 2:
                continue
            exemplar = network.embed(_images(sequence, shown[0], 1.0, EXEMPLAR))
            for place in np.unique(np.linspace(1, len(shown) - 1, LOOKS).round().astype(int)):
                search = network.embed(_images(sequence, shown[place], SEARCH / EXEMPLAR, SEARCH))
                response = network.raw(exemplar, search)[0, 0].numpy() / network.correlation.gain
                values.append(response.ravel())
                labels.append(_on_target(response.shape, network.stride).ravel())
    if not values:
        raise DatasetError("no sequence has two frames with a target to fit gain and bias on; give other sequences")
    raw, on_target = np.concatenate(values).astype(np.float64), np.concatenate(labels)
    size = float(raw.std()) or 1.0
    model = LogisticRegression(class_weight="balanced", C=1e4).fit(raw[:, None] / size, on_target)
    gain, bias = float(model.coef_[0, 0]) / size, float(model.intercept_[0])
    if gain <= 0:
        raise DatasetError("the response is not higher on targets than beside them; these features cannot track")
    return gain, bias


def _images(sequence: Sequence, number: int, factor: float, size: int) -> torch.Tensor:
    box = sequence.box(number)
    assert isinstance(box, Box)
    window = Window(*box.centre, context_size(box.width, box.height) * factor)
    return Frame.upload(sequence.image(number), "cpu").crops([window], size).flip(1).float()


def _on_target(shape: tuple[int, ...], stride: int) -> NDArray[np.bool_]:
    """Cells within ``RADIUS`` pixels of the middle, as SiamFC's labels have it."""
    rows, columns = ((np.arange(length) - (length - 1) / 2) * stride for length in shape)
    return np.asarray(np.hypot(rows[:, None], columns) <= RADIUS)
