"""What a teacher's features are made into: standardised, reduced, and kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from siam_tracker_core.commands.pretrain import load_teacher
from siam_tracker_core.errors import ConfigError
from siam_tracker_core.networks import ResNet50
from siam_tracker_core.training.data.crop_store import build_store
from siam_tracker_core.training.teacher import teach


@pytest.fixture(scope="module")
def store(shards, tmp_path_factory):
    return build_store(tmp_path_factory.mktemp("store"), [shards["photographs"]])


@pytest.mark.slow
def test_teachers_features_are_standardised_and_kept(store, teacher):
    network = load_teacher(teacher)
    features = teach(store, network, torch.device("cpu"), 256, "one", batch=4)
    values = features.astype(np.float32).transpose(1, 0, 2, 3).reshape(64, -1)
    np.testing.assert_allclose(values.mean(axis=1), 0, atol=0.05)
    np.testing.assert_allclose(values.std(axis=1), 1, atol=0.05)
    image = torch.from_numpy(np.array(store.pixels[3:4])).permute(0, 3, 1, 2).flip(1).float()
    with torch.inference_mode():
        asked = network(image)[0].flatten(1).numpy()
    for channel in range(0, 64, 9):  # standardising changes origin and unit only
        assert np.corrcoef(asked[channel], features[3, channel].ravel().astype(np.float32))[0, 1] > 0.99
    stamp = (store.folder / "teacher.npy").stat().st_mtime_ns
    teach(store, network, torch.device("cpu"), 256, "one")
    assert (store.folder / "teacher.npy").stat().st_mtime_ns == stamp
    teach(store, network, torch.device("cpu"), 256, "another")
    assert (store.folder / "teacher.npy").stat().st_mtime_ns != stamp


@pytest.mark.slow
def test_wide_teachers_are_reduced_to_their_principal_components(store, teacher):
    """Against scikit-learn's PCA of the standardised features of all crops."""
    from sklearn.decomposition import PCA

    network = load_teacher(teacher)
    whole = teach(store, network, torch.device("cpu"), 64, "whole", batch=4).astype(np.float32)
    small = teach(store, network, torch.device("cpu"), 5, "small", batch=4).astype(np.float32)
    assert small.shape == (len(store), 5, 40, 40)
    cells = whole.transpose(0, 2, 3, 1).reshape(-1, 64)
    expected = PCA(5, svd_solver="full").fit(cells).transform(cells)
    for number in range(5):
        got = small[:, number].ravel()
        assert abs(np.corrcoef(got, expected[:, number])[0, 1]) > 0.99
        assert got.std() == pytest.approx(expected[:, number].std(), rel=0.02)


def test_published_classifiers_teach(tmp_path):
    """ResNet-50 under torchvision's names, its last stage and classifier left out."""
    torch.manual_seed(0)
    whole = ResNet50(last_layer=4)
    state = {**whole.state_dict(), "fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}
    torch.save(state, tmp_path / "resnet50.pth")
    network = load_teacher(tmp_path / "resnet50.pth", "torchvision-resnet50")
    assert (network.stride, network.out_channels) == (8, 1024)
    assert torch.equal(network.state_dict()["layer3.5.conv2.weight"], whole.state_dict()["layer3.5.conv2.weight"])
    with pytest.raises(ConfigError, match="no kind of checkpoint"):
        load_teacher(tmp_path / "resnet50.pth", "resnet")
