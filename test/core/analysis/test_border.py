"""Responses to a target at the border: where it is put, and what the command tells and draws."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from siam_tracker_core.analysis.border import PLACES, looks
from siam_tracker_core.cli import main
from siam_tracker_core.datasets import read_sequence
from siam_tracker_core.networks import SiamFCNetwork, backbone
from siam_tracker_core.weights import save_weights


@pytest.fixture(scope="module")
def sequence(tmp_path_factory):
    """One frame of noise with a bright square of 40 pixels in its middle."""
    root = tmp_path_factory.mktemp("border") / "square"
    (root / "img").mkdir(parents=True)
    image = np.random.default_rng(0).integers(0, 90, (400, 400, 3)).astype(np.uint8)
    image[180:220, 180:220] = (250, 230, 240)
    cv2.imwrite(str(root / "img" / "0001.png"), image)
    (root / "groundtruth_rect.txt").write_text("181,181,40,40\n")
    return root


def test_the_target_lies_where_it_is_said_to(sequence):
    torch.manual_seed(0)
    found = looks(SiamFCNetwork(backbone("ciresnet16"), 0.1).eval(), read_sequence(sequence))
    assert len(found) == len(PLACES)
    for look in found:
        rows, columns = np.nonzero(look.image.min(axis=2) > 200)
        cells = look.response.shape[0]
        place = np.array([columns.mean(), rows.mean()])  # pixels of 255, cells of 8 around 127
        expected = 127 + (np.array(look.target) - (cells - 1) / 2) * 8
        np.testing.assert_allclose(place, expected, atol=1.5)
        row, column = np.unravel_index(look.response.argmax(), look.response.shape)
        assert look.error == pytest.approx(np.hypot(column - look.target[0], row - look.target[1]))


def test_the_command_draws_them(sequence, tmp_path, capsys):
    torch.manual_seed(0)
    weights, picture = tmp_path / "padded.safetensors", tmp_path / "border.svg"
    description = {"backbone": "ciresnet16", "backbone_options": {"crop": False}, "gain": 0.1}
    network = SiamFCNetwork(backbone("ciresnet16", crop=False), 0.1)
    save_weights(weights, network.state_dict(), {"tracker": "siamfc", "network": description, "config": {}})
    words = ["analyse", str(weights), "--border", str(picture), "--search", "127"]
    assert main(words) == 1
    assert "give the folder of a sequence: --sequence" in capsys.readouterr().err
    assert main([*words, "--sequence", str(sequence)]) == 0
    told = capsys.readouterr().out
    assert "seen by 176 of the exemplar's 225 cells" in told, "the options of the file are those of the network"
    assert "peaks off the target by" in told
    assert "at the lower left" in picture.read_text()
