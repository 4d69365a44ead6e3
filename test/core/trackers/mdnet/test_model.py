"""The MDNet tracker with random convolutions: what it does with candidates, success and failure."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from siam_tracker_core import Box, TrackerGroup, TrackState, load_tracker
from siam_tracker_core.crop import Frame
from siam_tracker_core.datasets.made import made_sequence
from siam_tracker_core.errors import BoxError, ConfigError, WeightsError
from siam_tracker_core.networks.mdnet import MDNet
from siam_tracker_core.trackers.common.random_state import RandomState
from siam_tracker_core.trackers.mdnet import MDNetOutput
from siam_tracker_core.trackers.tracker import start
from siam_tracker_core.training.mdnet import initialise
from siam_tracker_core.weights import save_weights

# Few samples: these tests are about what is done with them.
FEW = {
    "init_positives": 12,
    "init_negatives": 24,
    "init_rounds": 8,
    "update_positives": 4,
    "update_negatives": 6,
    "update_rounds": 2,
    "batch_positives": 8,
    "batch_negatives": 16,
    "hard_pool": 24,
}
CONFIG = {"candidates": 12, "regression_samples": 8, "classifier": FEW, "long_interval": 2}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    network = MDNet(domains=3)
    initialise(network.backbone)
    path = tmp_path_factory.mktemp("weights") / "mdnet.safetensors"
    save_weights(path, network.state_dict(), {"tracker": "mdnet", "network": {}, "config": {}, "provenance": {}})
    return path


@pytest.fixture(scope="module")
def footage():
    made = made_sequence(frames=5, size=(160, 120), seed=2)
    return made.frames, made.boxes


def load(weights, **changes):
    return load_tracker(weights, device="cpu", config={**CONFIG, **changes}, precision="single")


def followed(tracker, footage, frames=4):
    images, boxes = footage
    tracker.init(images[0], boxes[0])
    return [tracker.update(image) for image in images[1:frames]]


@pytest.fixture(scope="module")
def usual(weights, footage):
    """A tracker, and what it said of the footage."""
    tracker = load(weights)
    return tracker, followed(tracker, footage)


def test_one_seed_gives_the_same_boxes_and_another_seed_others(usual, weights, footage):
    _, results = usual
    again = followed(load(weights), footage)
    assert [result.box for result in again] == [result.box for result in results]
    other = followed(load(weights, classifier={**FEW, "seed": 1}), footage, frames=2)
    assert other[0].box != results[0].box


def test_a_repetition_draws_as_another_seed_would(usual, weights, footage):
    tracker = load(weights)
    assert not tracker.deterministic, "it draws its candidates"
    tracker.repeat(1)
    seeded = followed(
        load(weights, classifier={**FEW, "seed": CONFIG["classifier"].get("seed", 0) + 1}), footage, frames=2
    )
    assert followed(tracker, footage, frames=2)[0].box == seeded[0].box
    tracker.repeat(0)
    assert followed(tracker, footage, frames=2)[0].box == usual[1][0].box


def test_learning_aside_gives_the_same_boxes(usual, weights, footage):
    _, results = usual
    tracker = load(weights, classifier={**FEW, "learning": "worker"})
    aside = followed(tracker, footage)
    tracker.model.learner.close()
    assert [result.box for result in aside] == [result.box for result in results]
    assert [result.score for result in aside] == [result.score for result in results]


def test_group_gives_what_single_trackers_give(usual, weights, footage):
    images, boxes = footage
    starts = [boxes[0], boxes[0] + [6, 4, -4, 3]]
    tracker, results = usual
    group, single = TrackerGroup(tracker), load(weights)
    for number, box in enumerate(starts):
        group.init(number, images[0], box)
    single.init(images[0], starts[1])
    for image, result in zip(images[1:3], results, strict=False):
        together, alone = group.update(image), single.update(image)
        for found, expected in ((together[0], result), (together[1], alone)):
            np.testing.assert_allclose(found.box.to_array(), expected.box.to_array(), atol=0.05)
            assert found.score == pytest.approx(expected.score, abs=0.01)


def test_result_has_the_promised_form(usual):
    tracker, results = usual
    for result in results:
        assert 0 <= result.score <= 1
        assert (result.state is TrackState.TRACKING) == (result.reason == "")
        assert result.response.values.shape == (9, 9)
        assert result.response.values.dtype == np.float32
        assert result.response.box.iou(result.box) > 0
    assert tracker.model.search(tracker.state).windows == ()


def output_of(scores, boxes=None):
    """An output with given scores, for boxes in a row."""
    scores = np.array(scores, dtype=np.float32)
    boxes = np.array([[10.0 * n + 20, 30, 20, 16] for n in range(len(scores))]) if boxes is None else boxes
    best = np.argsort(-scores)[:5]
    random = RandomState.of(np.random.default_rng(0))
    return MDNetOutput(boxes, scores, best, np.zeros((len(best), 4608), np.float32), random)


class Followed:
    """A target, located again and again in made outputs and never in a picture."""

    def __init__(self, tracker, image, box):
        self.model, self.state = tracker.model, start(tracker.model, image, box)

    def locate(self, scores):
        self.state, result = self.model.locate(self.state, output_of(scores))
        return result

    def taught(self):
        """What the target takes from the last frame, as the learner is told."""
        told = []
        teach, self.model.learner.teach = self.model.learner.teach, lambda frame, updates: told.extend(updates)
        try:
            (self.state,) = self.model.adapt([self.state], None)
        finally:
            self.model.learner.teach = teach
        return told[0]


@pytest.fixture
def fresh(weights, footage):
    """A target without box regression."""
    return Followed(load(weights, regression_samples=0), footage[0][0], footage[1][0])


@pytest.fixture
def staying(weights, footage):
    """The same, with ``failure: stay``."""
    return Followed(load(weights, regression_samples=0, failure="stay"), footage[0][0], footage[1][0])


def test_the_result_is_the_mean_of_the_five_best(fresh):
    result = fresh.locate([5, -3, 2, 4, 3, -8, 1, -1])
    best = [0, 2, 3, 4, 6]
    np.testing.assert_allclose(result.box, [20 + 10 * np.mean(best), 30, 20, 16])
    assert result.score == pytest.approx(1 / (1 + np.exp(-3)))
    assert result.state is TrackState.TRACKING
    assert result.learning


def test_without_success_the_box_stays_if_that_is_asked_for_and_the_search_widens(staying):
    before = staying.state.box
    for number in range(12):
        result = staying.locate([-0.1] * 5 + [-4])
        assert result.box == before
        assert result.state is TrackState.UNCERTAIN
        update = staying.taught()
        assert (update.remember, update.term.value) == (None, "short")
        assert staying.state.translation == pytest.approx(min(1.5, 0.6 * 1.1 ** (number + 1)))
    staying.locate([1.0] * 6)
    assert staying.state.translation == 0.6
    assert staying.taught().remember is not None


def test_without_success_the_box_moves_to_the_mean_of_the_best(fresh):
    result = fresh.locate([-5, -0.1, -0.1, -0.1, -0.1, -0.1])
    np.testing.assert_allclose(result.box, [20 + 10 * np.mean([1, 2, 3, 4, 5]), 30, 20, 16])
    assert fresh.state.found == result.box, "the next search begins there"
    assert fresh.taught().remember is None
    assert fresh.state.translation == pytest.approx(0.66)


def test_long_term_updates_come_at_their_interval(fresh):
    terms = []
    for _ in range(6):
        fresh.locate([1.0] * 6)
        terms.append(fresh.taught().term)
    assert [term and term.value for term in terms] == [None, "long"] * 3


def test_a_lost_target_stays_until_it_is_recognised_if_that_is_asked_for(staying):
    before = staying.state.box
    patience = staying.model.config.lost.patience
    states = [staying.locate([-3.0] * 6).state for _ in range(patience)]
    assert states[-2:] == [TrackState.UNCERTAIN, TrackState.LOST]
    assert staying.taught().term is None
    weak = staying.locate([0.5] * 6)  # a success in MDNet's sense, below `recover`
    assert (weak.state, weak.box) == (TrackState.LOST, before)
    assert "0.7" in weak.reason
    strong = staying.locate([2.0] * 6)
    assert strong.state is TrackState.UNCERTAIN
    assert strong.box != before
    assert staying.locate([2.0] * 6).state is TrackState.TRACKING


def test_a_lost_target_goes_where_the_best_are_and_is_lost_until_it_is_recognised(fresh):
    for _ in range(fresh.model.config.lost.patience):
        fresh.locate([-3.0] * 6)
    weak = fresh.locate([-5, 0.5, 0.5, 0.5, 0.5, 0.5])
    assert weak.state is TrackState.LOST
    np.testing.assert_allclose(weak.box, [20 + 10 * np.mean([1, 2, 3, 4, 5]), 30, 20, 16])
    assert fresh.taught().term is None
    assert fresh.locate([2.0] * 6).state is TrackState.UNCERTAIN


def test_regression_corrects_the_result_but_not_where_the_next_search_begins(usual):
    made = made_sequence(frames=1, size=(160, 120), seed=2)
    target = Followed(usual[0], made.frames[0], made.boxes[0])
    output = output_of([1.0] * 6)
    expected = target.state.regression.apply(output.features, output.boxes[output.best]).mean(axis=0)
    mean = output.boxes[output.best].mean(axis=0)
    corrected = target.locate([1.0] * 6).box
    np.testing.assert_allclose(corrected, expected)
    np.testing.assert_allclose(target.state.found, mean)
    assert not np.allclose(expected, mean)
    unsure = target.locate([-1.0] * 6).box
    np.testing.assert_allclose(unsure, mean, err_msg="without success nothing is corrected")


def test_candidates_of_all_targets_go_through_the_convolutions_in_one_pass_each_once(usual, footage):
    images, boxes = footage
    model = usual[0].model
    states = [start(model, images[0], boxes[0]) for _ in range(2)]
    seen: list[int] = []
    hook = model.patches.network.backbone.register_forward_hook(lambda _, args, __: seen.append(len(args[0])))
    with torch.inference_mode():
        frame = Frame.upload(images[1], "cpu")
        outputs, again = (model.forward(states, frame, torch.empty(0)) for _ in range(2))
    hook.remove()
    assert sum(seen) == 2 * 2 * 12
    assert [output.features.shape for output in outputs] == [(5, 4608)] * 2
    for output, same in zip(outputs, again, strict=True):
        np.testing.assert_array_equal(output.boxes, same.boxes)  # a step does not change its state
    seen_again = model.patches.look(frame, outputs[1].boxes[outputs[1].best])
    np.testing.assert_allclose(outputs[1].features, seen_again.numpy(), rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_a_candidate_of_no_number_loses_that_target_alone(weights, footage):
    """Its fc6 is broken; the others' candidates take the same pass."""
    images, boxes = footage
    group, twin = TrackerGroup(load(weights)), TrackerGroup(load(weights))
    for number in range(3):
        for one in (group, twin):
            one.init(number, images[0], boxes[0] + [4 * number, 0, 0, 0])
    with torch.inference_mode():
        group.state(1).classifier.head.parameters[-1].fill_(torch.nan)
    results, expected = group.update(images[1]), twin.update(images[1])
    assert results[1].state is TrackState.LOST
    assert results[1].score == 0
    assert results[1].reason == "the network's answer is not finite"
    for number in (0, 2):
        np.testing.assert_allclose(results[number].box, expected[number].box, atol=0.05)
        assert results[number].state is expected[number].state


def test_a_bad_init_keeps_the_former_target(usual, footage):
    tracker = usual[0]
    before = tracker.box
    with pytest.raises(BoxError):
        tracker.init(footage[0][0], [0, 0, 0, 0])
    assert tracker.box == before


def test_settings_and_weights_that_do_not_fit(weights, tmp_path):
    with pytest.raises(ConfigError, match=r"classifier\.init_lr"):
        load(weights, classifier={"init_lr": -1})
    with pytest.raises(ConfigError, match=r"classifier\.init_rate is called classifier\.init_lr now"):
        load(weights, classifier={"init_rate": 1e-3})
    with pytest.raises(ConfigError, match="no such setting"):
        load(weights, candidate=3)
    network = MDNet(domains=0)
    state = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("fc5")}
    save_weights(tmp_path / "part.safetensors", state, {"tracker": "mdnet"})
    with pytest.raises(WeightsError, match="fc5"):
        load_tracker(tmp_path / "part.safetensors", device="cpu")


def test_it_follows_a_target_with_random_convolutions(weights):
    """What it knows of the target it has learned in the first frame."""
    made = made_sequence(frames=6, size=(160, 120), seed=4)
    more = {**FEW, "init_positives": 32, "init_negatives": 96, "init_rounds": 20, "hard_pool": 64}
    tracker = load(weights, candidates=48, regression_samples=0, classifier=more)
    tracker.init(made.frames[0], made.boxes[0])
    overlaps = []
    for image, box in zip(made.frames[1:], made.boxes[1:], strict=True):
        overlaps.append(tracker.update(image).box.iou(Box.from_array(box)))
    assert np.mean(overlaps) > 0.5
