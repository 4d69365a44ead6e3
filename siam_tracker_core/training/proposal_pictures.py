"""What a network of proposals says of training pairs, as pictures."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from siam_tracker_core.training.engine.module import Picture
from siam_tracker_core.training.engine.pair_module import Pairs
from siam_tracker_core.training.engine.pictures import overlay, to_pictures

TRUE, PROPOSED = (255, 255, 255), (255, 160, 0)


def proposal_rows(pairs: Pairs, best: torch.Tensor, scores: torch.Tensor, stride: int) -> list[list[Picture]]:
    """A pair a row: the exemplar, the search image with the true box and the proposed one, and the scores over it.

    Args:
        pairs: what the network saw.
        best: (N, 4), its most probable boxes: centre from the middle, width, height.
        scores: (N, rows, columns).
        stride: of the scores in search pixels.
    """
    rows = []
    for exemplar, search, map_, box, truth, negative in zip(
        to_pictures(pairs.exemplars),
        to_pictures(pairs.searches),
        scores.detach().float().cpu().numpy(),
        best.detach().float().cpu().numpy(),
        pairs.boxes.cpu().numpy(),
        pairs.negative.tolist(),
        strict=True,
    ):
        over = overlay(search, map_, len(map_) * stride)
        drawn = search if negative else _outline(search, truth, TRUE)
        rows.append([exemplar, _outline(drawn, box, PROPOSED), over])
    return rows


def _outline(picture: Picture, box: NDArray[np.float32], colour: tuple[int, int, int]) -> Picture:
    """The picture with a box, given from its middle, drawn in."""
    result = np.ascontiguousarray(picture).copy()
    middle = np.array(result.shape[1::-1]) / 2
    low, high = (np.rint(middle + box[:2] + sign * box[2:] / 2).astype(int) for sign in (-1, 1))
    cv2.rectangle(result, low.tolist(), high.tolist(), colour, 1)
    return result
