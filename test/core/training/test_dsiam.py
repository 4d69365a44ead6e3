"""Joint training of DSiam: crops, tracked clips, equation 10, gradients through time, and weights that track."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from made_dsiam import CELLS, SMALL, scene, small_network, texture
from made_network import random_weights

from siam_tracker_core.crop import Frame
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.geometry import Window
from siam_tracker_core.networks.dsiam import Blend
from siam_tracker_core.trackers.dsiam import DSiamConfig, DSiamModel
from siam_tracker_core.trackers.tracker import Tracker
from siam_tracker_core.training.augmentation.views import Photometry
from siam_tracker_core.training.dsiam import DSiamModule, DSiamTraining
from siam_tracker_core.training.dsiam_clips import ClipTracker, crop_at
from siam_tracker_core.training.engine.export import start_from
from siam_tracker_core.training.engine.recipe import read_recipe
from siam_tracker_core.weights import read_weights, save_weights
from siam_tracker_core.zoo import load_tracker

TRACKING = DSiamConfig(**SMALL, response_up=4, appearance_ridge=None, suppression_ridge=None)


def small_module(layers=("deep", "shallow"), seed=0, **values):
    network = small_network(layers, seed=seed)
    recipe = DSiamTraining(layers=layers, cells=CELLS, initial_bias=-0.5, **{"tracking": TRACKING, **values})
    module = DSiamModule(network, recipe)
    with torch.no_grad():
        if len(layers) > 1:
            network.fusion.shares.uniform_(0.3, 0.7)
        for regression in (*network.ridges[0], *network.ridges[1]):
            regression.set(0.5)
    return module


def made_batch(frames=4, count=2):
    """Clips of a target that changes, in the middle of crops of 160 pixels."""
    clips = [
        [scene((texture(n) * (1 - t / 8) + texture(n + 5) * t / 8, 88, 68), clutter=0.5) for t in range(frames)]
        for n in range(count)
    ]
    crops = np.array(clips)[:, :, :, 20:180]
    sizes = np.full((count, frames, 2), 24, np.float32)
    return {"crops": torch.from_numpy(crops), "sizes": torch.from_numpy(sizes), "track": torch.arange(count)}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_crops_are_those_of_the_tracker():
    """Against the crops that a tracker takes of the same image at the same place."""
    picture = made_batch()["crops"][0, 0].numpy()
    places = torch.tensor([[0.0, 0.0], [12.25, -7.5]])
    images = torch.from_numpy(picture).permute(2, 0, 1).float().expand(2, -1, -1, -1)
    got = crop_at(images, places, 48)
    windows = [Window(80 + x, 80 + y, 48) for x, y in places.tolist()]
    expected = Frame(picture, torch.device("cpu")).crops(windows, 48)
    assert (got - expected).abs().max() <= 1.5  # OpenCV rounds to whole values and to 1/32 of a pixel


def test_crops_are_differentiable():
    images = torch.rand(1, 1, 9, 9, dtype=torch.float64, generator=generator()).requires_grad_()
    places = torch.tensor([[0.3, -1.2]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda images, places: crop_at(images, places, 4), (images, places))


def test_all_frames_of_a_clip_change_alike():
    batch = made_batch()
    batch["crops"] = batch["crops"][:, :1].expand(-1, 3, -1, -1, -1)
    strong = Photometry(0.4, 0.4, 0.2, 0.5, 0.0)
    module = small_module(photometry=strong, flip_probability=0.5)
    clips = module.augment(batch, generator(3))
    assert clips.shape == (2, 3, 3, 160, 160)
    torch.testing.assert_close(clips[:, 1], clips[:, 0])
    torch.testing.assert_close(clips[:, 2], clips[:, 0])
    plain = small_module(flip_probability=0.0).augment(batch, generator(3))
    rgb = batch["crops"][0, 0].flip(-1).permute(2, 0, 1).float()
    torch.testing.assert_close(plain[0, 0], rgb, atol=1e-3, rtol=0)
    assert not torch.allclose(clips[0, 0], plain[0, 0])
    mirrored = small_module(flip_probability=1.0).augment(batch, generator(3))
    torch.testing.assert_close(mirrored, plain.flip(-1))


def test_loss_is_equation_10():
    """Cell by cell, for the sum over the frames of a clip, with the label at the target's true place."""
    module = small_module(motion=20.0)
    batch = made_batch(frames=3)
    with torch.no_grad():
        value = float(module.losses(batch, generator(1))["loss"])
        again = generator(1)
        clips = module.augment(batch, again)
        said = module.clips.track(clips, module.motions(clips, again))
    total = 0.0
    for clip, frame in np.ndindex(2, 2):
        x, y = said.centres[clip, frame].tolist()
        assert max(abs(x), abs(y)) > 0
        cells = []
        for row, column in np.ndindex(CELLS, CELLS):
            inside = (8 * (column - 4) - x) ** 2 + (8 * (row - 4) - y) ** 2 <= 16**2
            cells.append(np.log1p(np.exp(-(1 if inside else -1) * float(said.logits[clip, frame, row, column]))))
        total += np.mean(cells) / 2
    assert value == pytest.approx(total, rel=1e-5)
    balanced = small_module(motion=20.0, balanced=True)
    assert float(balanced.losses(batch, generator(1))["loss"].detach()) != pytest.approx(total, rel=1e-2)


def test_clips_are_tracked_as_the_tracker_does():
    """Responses to a clip without motion are those of the tracker on the same pictures, cut where it looks."""
    module = small_module()
    pictures = made_batch(frames=3, count=1)["crops"][0]
    clips = pictures.flip(-1).permute(0, 3, 1, 2).float()[None]
    # The tracker's exemplar window of a box of 24 pixels has 48, so its crops have the pictures' own scale.
    model = DSiamModel(module.network, read_recipe_config(), torch.device("cpu"), precision="single")
    tracker = Tracker(model)
    with torch.no_grad():
        clip_tracker = ClipTracker(module.network, TRACKING, drift=48)
        said = clip_tracker.track(clips, torch.zeros(1, 2, 2))
    tracker.init(pictures[0].numpy(), [68, 68, 24, 24])
    for number in (1, 2):
        got = tracker.update(pictures[number].numpy()).response.values + tracker.model.bias
        expected = said.logits[0, number - 1].numpy()
        np.testing.assert_allclose(got, expected, atol=0.03 * np.abs(expected).max())
        middle = tracker.state.search_window
        if number == 1:
            place = -said.centres[0, 1].numpy() + 80
            np.testing.assert_allclose([middle.centre_x, middle.centre_y], place, atol=0.3)


def read_recipe_config():
    return DSiamConfig(**SMALL, response_up=4, scales=1, threshold=-1e9)


# Gradients through time


def unrolled(network, clip, motions, config):
    """The loss of frame 2 of a clip of three, written out with full transforms and no module of the package's."""

    def look(image, place, size, weighting=None):
        crop = crop_at(image, place, size)
        return network.embed(crop if weighting is None else crop * weighting)

    def full(signal, windowed=True):
        rows, columns = signal.shape[-2:]
        hann = torch.outer(*(torch.hann_window(n, periodic=False, dtype=signal.dtype) for n in (rows, columns)))
        return torch.fft.fft2(signal * hann)

    def correlate(exemplar, search):
        side = exemplar.shape[-1]
        patches = search.unfold(2, side, 1).unfold(3, side, 1)
        return torch.einsum("nchwij,ncij->nhw", patches, exemplar)

    small, large = config.exemplar_size, config.search_size
    start = torch.zeros(1, 2, dtype=clip.dtype)
    first = look(clip[:, 0], start, small)
    middle = motions[:, 0]
    one = look(clip[:, 1], middle, large)
    shares = network.fusion.shares[0]
    weights = (shares, 1 - shares)
    response = sum(w * correlate(f, z) for w, f, z in zip(weights, first, one, strict=True))
    tracker = ClipTracker(network, config)
    logits = response * network.correlation.gain + network.correlation.bias
    place = middle + tracker._peak(logits.detach())
    now = look(clip[:, 1], place, small)
    around = look(clip[:, 1], place, large)
    dark = look(clip[:, 1], place, large, config.weighting().to(clip.dtype))
    search = look(clip[:, 2], place + motions[:, 1], large)
    total = 0
    for layer in range(2):
        ridge_v, ridge_w = (torch.exp(r[layer].log_ridge) for r in network.ridges)
        f1, f = full(first[layer]), full(now[layer])
        v = f1.conj() * f / (f1.conj() * f1 + ridge_v * first[layer][0, 0].numel())
        moved = torch.fft.ifft2(v * f1).real
        exemplar = (1 - config.appearance_rate) * first[layer] + config.appearance_rate * moved
        g, dark_g, z = full(around[layer]), full(dark[layer]), full(search[layer])
        w = g.conj() * dark_g / (g.conj() * g + ridge_w * around[layer][0, 0].numel())
        rate = config.suppression_rate
        searched = (1 - rate) * search[layer] + rate * torch.fft.ifft2(w * z).real
        total = total + weights[layer] * correlate(exemplar, searched)
    return total * network.correlation.gain + network.correlation.bias


@pytest.mark.parametrize("again", [False, True])
def test_gradients_of_two_frames_are_the_unrolled_ones(again):
    """The second response depends on V and W of the first frame; all parameters, in double precision."""
    module = small_module().double()
    network = module.network
    batch = made_batch(frames=3, count=1)
    clip = batch["crops"].flip(-1).permute(0, 1, 4, 2, 3).double()
    motions = torch.tensor([[[6.0, -3.0], [-4.0, 5.0]]], dtype=torch.float64)
    weighting = torch.rand(1, CELLS, CELLS, dtype=torch.float64, generator=generator(2))
    parameters = dict(network.named_parameters())
    expected = torch.autograd.grad((unrolled(network, clip, motions, TRACKING) * weighting).sum(), parameters.values())
    said = ClipTracker(network, TRACKING, gradient_checkpointing=again).track(clip, motions)
    got = torch.autograd.grad((said.logits[:, 1] * weighting).sum(), parameters.values())
    for name, mine, theirs in zip(parameters, got, expected, strict=True):
        assert theirs.abs().max() > 0, name
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-9 * float(theirs.abs().max()), msg=name)


def test_checkpointing_keeps_less_for_the_backward_pass():
    """Bytes that autograd keeps beside the clip itself, of seven frames."""
    clip = made_batch(frames=7, count=1)["crops"].flip(-1).permute(0, 1, 4, 2, 3).float()

    def kept(again):
        module, held = small_module(), {}

        def keep(tensor):
            storage = tensor.untyped_storage()
            if storage.data_ptr() != clip.untyped_storage().data_ptr():
                held[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            said = ClipTracker(module.network, TRACKING, gradient_checkpointing=again).track(clip, torch.zeros(1, 6, 2))
        assert said.logits.requires_grad
        return sum(held.values())

    assert kept(True) < 0.5 * kept(False)


def test_places_pass_gradients_only_where_they_are_soft():
    """Of the second frame's search crop with respect to the first response: the argmax has none."""
    module = small_module()
    clip = made_batch(frames=3, count=1)["crops"].flip(-1).permute(0, 1, 4, 2, 3).float()
    found = {}
    for position in ("argmax", "soft"):
        tracker = ClipTracker(module.network, TRACKING, position=position)
        said = tracker.track(clip, torch.zeros(1, 2, 2))
        found[position] = said.centres[:, 1]
    torch.testing.assert_close(found["soft"], found["argmax"], atol=1e-4, rtol=0)
    assert not found["argmax"].requires_grad
    (gradient,) = torch.autograd.grad(found["soft"].sum(), module.network.backbone.deep.weight)
    assert gradient.abs().max() > 0


def test_a_target_that_is_far_off_is_put_back():
    module = small_module()
    clip = made_batch(frames=4, count=1)["crops"].flip(-1).permute(0, 1, 4, 2, 3).float()
    with torch.no_grad():
        said = ClipTracker(module.network, TRACKING, drift=10.0).track(clip, torch.full((1, 3, 2), 500.0))
    assert torch.equal(said.centres, torch.full((1, 3, 2), -10.0))


def test_training_lowers_the_loss():
    module = small_module(motion=4.0)
    batch = made_batch(frames=3)
    optimiser = torch.optim.Adam(module.network.parameters(), 3e-3)
    values = []
    for _ in range(8):
        optimiser.zero_grad()
        loss = module.losses(batch, generator(1))["loss"]
        loss.backward()
        optimiser.step()
        values.append(float(loss.detach()))
    assert values[-1] < 0.9 * values[0]


# Weights


def test_training_starts_from_siamfc_and_ends_in_a_tracker(tmp_path):
    recipe = read_recipe(DSiamTraining, {"layers": ["conv5", "conv4"], "tracking": {"appearance_rate": 0.3}})
    module = DSiamModule.build(recipe)
    start = random_weights(tmp_path / "siamfc.safetensors", seed=5)
    state, _ = read_weights(start)
    start_from(module, start)
    assert torch.equal(module.network.backbone.conv5[0].weight, state["backbone.conv5.0.weight"])
    assert torch.equal(module.network.fusion.weights[0], torch.ones(17, 17))
    own = module.network.state_dict()
    assert module.adopt(own, module.description()) is own
    save_weights(tmp_path / "w.safetensors", own, module.description())
    tracker = load_tracker(tmp_path / "w.safetensors", "cpu")
    assert tracker.config.appearance_rate == 0.3
    assert tracker.model.network.layers == ("conv5", "conv4")
    assert tracker.config.appearance_blend == Blend(0.3, True)


def test_trainings_that_cannot_be(tmp_path):
    with pytest.raises(ConfigError, match="not into clips"):
        DSiamModule.build(DSiamTraining(), tmp_path)
    with pytest.raises(ConfigError, match=r"data\.kind: clips"):
        small_module().losses({"exemplar": torch.zeros(1)}, generator())
    with pytest.raises(ConfigError, match="layers"):
        read_recipe(DSiamTraining, {"layers": []})


def test_pictures_show_clips_and_weight_maps():
    with torch.no_grad():
        rows = small_module().eval().pictures(made_batch())
    assert [[picture.shape for picture in row] for row in rows] == [
        [(48, 48, 3)] + [(112, 112, 3)] * 3,
        [(48, 48, 3)] + [(112, 112, 3)] * 3,
        [(112, 112, 3)] * 2,
    ]
