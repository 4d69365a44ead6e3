"""When targets learn: in the frame's call, or in a worker after the frame's answer is out, with the same result.

What is learned of a frame is in force from the next frame on, whichever way. So it makes no difference to the boxes
whether the caller waits for it now or, at the latest, when the next frame is answered.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch

from siam_tracker_core.crop import Frame
from siam_tracker_core.geometry import Box
from siam_tracker_core.trackers.common.sampling import Samples, draw
from siam_tracker_core.trackers.mdnet.batched_head import SGDConfig, hardest, sgd_step, stacked, write_back
from siam_tracker_core.trackers.mdnet.classifier import FIRST_NEGATIVES, POSITIVES, Classifier, Term
from siam_tracker_core.trackers.mdnet.patches import PatchNetwork


class OnlineUpdate(NamedTuple):
    """What one target takes from a frame.

    Attributes:
        classifier: of the target.
        remember: boxes whose features are to be remembered; None for none.
        term: of an update that is asked for; None for none. Rounds that an earlier update has left go on anyway, unless
            a new one takes their place.
    """

    classifier: Classifier
    remember: Samples | None
    term: Term | None


class Learner:
    """Lets the targets of one network learn, all of them together.

    Where that fails for one of them, the guard of an update (``trackers/update.py``) asks for each alone. What a target
    has done with a frame by then it does not do again, for its classifier changes in place.

    Args:
        network: whose features they learn from.
        in_worker: learn in a thread of its own, on CUDA in a stream of its own; else in the call.
        budget: most rounds of a target in a frame, 0 for no limit; what is left goes on in the next frames.
    """

    def __init__(self, network: PatchNetwork, in_worker: bool, budget: int) -> None:
        self.network, self.in_worker, self.budget = network, in_worker, budget
        self._worker: ThreadPoolExecutor | None = None
        self._stream: torch.cuda.Stream | None = None
        self._running: Future[None] | None = None
        self._frame: weakref.ref[Frame] | None = None
        self._number = 0  # of the frame

    def teach(self, frame: Frame, updates: Sequence[OnlineUpdate]) -> None:
        """Let targets learn from a frame. The frame is not looked at any more when this returns."""
        self.wait()
        if self._frame is None or self._frame() is not frame:
            self._frame, self._number = weakref.ref(frame), self._number + 1
        remembered = [update.remember for update in updates if update.remember]
        patches = None
        if remembered:
            boxes = np.concatenate([part for samples in remembered for part in samples])
            patches = self.network.patches(frame, boxes)
        elif not any(update.term or update.classifier.rounds_left for update in updates):
            return
        if self.in_worker:
            self._begin(patches, updates)
        else:
            self._learn(patches, updates)

    def wait(self) -> None:
        """Return when what was taught last has been learned.

        Raises:
            Exception: what went wrong in the worker, if anything did.
        """
        if self._running is not None:
            running, self._running = self._running, None
            running.result()

    def close(self) -> None:
        """End the worker, when it has done what it was given."""
        self.wait()
        if self._worker is not None:
            self._worker.shutdown()
            self._worker = None

    def _begin(self, patches: torch.Tensor | None, updates: Sequence[OnlineUpdate]) -> None:
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="learning")
        ready = None
        if self.network.device.type == "cuda":
            ready = torch.cuda.Event()
            ready.record(torch.cuda.current_stream(self.network.device))
        self._running = self._worker.submit(self._learn_aside, ready, patches, updates)

    def _learn_aside(
        self, ready: torch.cuda.Event | None, patches: torch.Tensor | None, updates: Sequence[OnlineUpdate]
    ) -> None:
        """What the worker does; on CUDA after what the caller's stream had been given, and to its end."""
        if ready is None:
            self._learn(patches, updates)
            return
        if self._stream is None:
            self._stream = torch.cuda.Stream(self.network.device)
        with torch.cuda.stream(self._stream):
            self._stream.wait_event(ready)
            self._learn(patches, updates)
            self._stream.synchronize()

    def _learn(self, patches: torch.Tensor | None, updates: Sequence[OnlineUpdate]) -> None:
        with torch.inference_mode(False):
            if patches is not None:
                self._remember(self.network.features(patches), updates)
            due = [update for update in updates if update.classifier.taught != self._number]
            for update in due:
                if update.term:
                    update.classifier.request(update.term)
            run_pending([update.classifier for update in due], self.budget, self._number)

    def _remember(self, features: torch.Tensor, updates: Sequence[OnlineUpdate]) -> None:
        """Hand out the features of all targets' boxes, which lie one target's after the other's."""
        begin = 0
        for update in updates:
            if update.remember:
                middle = begin + len(update.remember.positives)
                end = middle + len(update.remember.negatives)
                if update.classifier.remembered != self._number:
                    update.classifier.remember(features[begin:middle], features[middle:end])
                    update.classifier.remembered = self._number
                begin = end


def run_pending(classifiers: Sequence[Classifier], budget: int = 0, number: int = 0) -> None:
    """Run rounds that were asked for, at most ``budget`` of each target (0: all), together where they are alike.

    Args:
        classifiers: of the targets.
        budget: see above.
        number: of the frame that they are taught.
    """
    groups: dict[int, list[Classifier]] = {}
    for classifier in classifiers:
        if classifier.rounds_left and classifier.can_learn:
            rounds = min(classifier.rounds_left, budget or classifier.rounds_left)
            groups.setdefault(rounds, []).append(classifier)
    for rounds, members in groups.items():
        run_rounds(members, rounds, members[0].sgd(members[0].config.update_lr))
        for classifier in members:
            classifier.rounds_left -= rounds
            classifier.taught = number


def run_rounds(classifiers: Sequence[Classifier], rounds: int, settings: SGDConfig) -> None:
    """Rounds of learning of several targets that have the same settings: batched products, drawn by each for itself."""
    heads = [classifier.head for classifier in classifiers]
    config = classifiers[0].config
    parameters, momenta = stacked(heads), stacked(heads, "momenta")
    for _ in range(rounds):
        batches = [classifier.batch() for classifier in classifiers]
        positives, pools, again = (torch.stack(parts) for parts in list(zip(*batches, strict=True)))
        negatives = hardest(parameters, pools, again, config.batch_negatives)
        count = positives.shape[1] + negatives.shape[1]
        masks = [classifier.dropout_masks(count) for classifier in classifiers]
        dropout = [torch.stack(parts) for parts in zip(*masks, strict=True)]
        sgd_step(parameters, momenta, positives, negatives, dropout, settings)
    write_back(heads, parameters)
    write_back(heads, momenta, "momenta")


def begin(classifier: Classifier, frame: Frame, box: Box, rng: np.random.Generator) -> None:
    """Let a new classifier learn its target from the first frame.

    All of the frame's negatives teach now, and as many as of any other frame are remembered.

    Args:
        classifier: that has learned nothing yet.
        frame: in which the target is.
        box: its own.
        rng: of the boxes to learn from.
    """
    config, image_size = classifier.config, (frame.width, frame.height)
    near = draw(POSITIVES, box, config.init_positives, image_size, rng, overlap=(0.7, 1.0))
    shares = (config.init_negatives - config.init_negatives // 2, config.init_negatives // 2)
    off = [
        draw(spread, box, count, image_size, rng, overlap=(0.0, 0.5))
        for spread, count in zip(FIRST_NEGATIVES, shares, strict=True)
    ]
    with torch.inference_mode(False):
        features = classifier.network.look(frame, np.concatenate([near, *off]))
        positives, negatives = features[: len(near)], features[len(near) :]
        lasting = classifier.remember_only(positives, negatives)
        if classifier.can_learn:
            run_rounds([classifier], config.init_rounds, classifier.sgd(config.init_lr))
        kept = torch.from_numpy(rng.permutation(len(negatives))[: config.update_negatives])
        classifier.remember_from_now(lasting, negatives[kept.to(negatives.device)])
