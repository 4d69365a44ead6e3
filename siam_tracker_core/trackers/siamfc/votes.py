"""The filter's response (``trackers.online``) beside the network's, which has no range of its own.

SiamFC's correlation z is a number of any size. Two of its values mean something: the least response m of a target's
windows, where nothing is like the target, and the peak a on the target's own frame. The filter's response f, held to
0..1, has its 0 and its 1 at the same places. With the share s of the filter, window and place are chosen by

    r = (1 - s) z + s (m + (a - m) f),

which is z without a share, so that penalties, upsampling and cosine window act on it as they do on z.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from siam_tracker_core.trackers.online import Seen

# A range narrower than this share of the peak says nothing.
_LEAST_RANGE = 1e-3


class Votes(NamedTuple):
    """A second opinion on the windows of T targets.

    Attributes:
        seen: what the filters say, equally many windows of each target.
        own_peaks: T, the network's raw peaks on the targets' own frames.
    """

    seen: Sequence[Sequence[Seen]]
    own_peaks: Sequence[float]


def fused(raw: torch.Tensor, votes: Votes) -> torch.Tensor:
    """What window and place are chosen by; see the module's docstring.

    Args:
        raw: (T, windows, rows, columns), the network's responses.
        votes: of the same windows. One without numbers has no share.
    """
    responses = torch.stack([torch.stack([told.response for told in own]) for own in votes.seen])
    shares = raw.new_tensor([[told.share for told in own] for own in votes.seen])[:, :, None, None]
    peaks = raw.new_tensor(votes.own_peaks)[:, None, None, None]
    least = raw.amin(dim=(1, 2, 3), keepdim=True)
    liked = least + (peaks - least).clamp_min(0) * responses.nan_to_num(nan=0.0).clamp(0, 1)
    return raw * (1 - shares) + liked * shares


def heights(response: torch.Tensor, peak: float, own_peak: float) -> tuple[torch.Tensor, float]:
    """A map (rows, columns) of raw responses and its peak, from 0 for its least to 1 for the target's own peak."""
    least = float(response.min())
    reach = max(own_peak - least, _LEAST_RANGE * abs(own_peak), 1e-6)
    return (response - least) / reach, max(0.0, (peak - least) / reach)
