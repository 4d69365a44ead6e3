"""What the filters of ``trackers.online`` say of SiamRPN's windows, and what is learned of its proposals."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from siam_tracker_core.threads import one_thread
from siam_tracker_core.trackers.common.siamese import SiameseState, TargetT
from siam_tracker_core.trackers.online import Learner, OnlineState, Seen
from siam_tracker_core.trackers.online.peaks import response_at, rival
from siam_tracker_core.trackers.siamrpn.proposals import Proposal, Votes


def votes_of(
    learner: Learner | None, online: Sequence[OnlineState | None], features: Sequence[torch.Tensor], size: int
) -> tuple[list[Seen | None], Votes | None]:
    """What the filters of N windows say, if every target has one.

    Args:
        learner: of the model; None for one that does not learn.
        online: what is learned of the target of each window.
        features: (N, C, rows, columns), as the only item.
        size: side of the response maps in cells.
    """
    states = [state for state in online if state is not None]
    if learner is None or not states or len(states) < len(online):
        return [], None
    with one_thread():
        seen = learner.look(states, features[0], size)
    votes = Votes(torch.stack([told.response for told in seen]), [told.share for told in seen])
    return list(seen), votes


def judged(
    learner: Learner,
    online: OnlineState,
    state: SiameseState[TargetT],
    seen: Seen | None,
    liking: float,
    proposal: Proposal,
    response: torch.Tensor,
) -> OnlineState:
    """What is learned of a target after it was looked for.

    Args:
        learner: of the model.
        online: what was learned before.
        state: of the target, after it was located.
        seen: by its filter in the window of the proposal.
        liking: its filter's response at the proposal, see ``liked``.
        proposal: that was taken.
        response: (size, size), the network's scores in that window.
    """
    if state.is_lost or seen is None:
        return learner.refuse(online, "the target is lost", at_once=True)
    if state.confidence.on_trial:
        return learner.refuse(online, "the target has just been found again, to be confirmed by the next frame")
    stride = learner.stride
    centre = proposal.dx / stride, proposal.dy / stride
    half = proposal.width / stride / 2, proposal.height / stride / 2
    other = rival(response, centre, half) / max(proposal.score, 1e-6)
    return learner.decide(online, seen, (proposal.dx, proposal.dy), (proposal.score, liking), other)


def liked(seen: Seen, proposal: Proposal, stride: int) -> float:
    """The filter's response at a proposal, on a map of a stride in pixels."""
    return response_at(seen.response, (proposal.dx / stride, proposal.dy / stride))
