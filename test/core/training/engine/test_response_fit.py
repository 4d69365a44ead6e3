"""The fit of gain and bias: what it makes of responses on and off targets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from made_network import random_weights

from siam_tracker_core import load_tracker
from siam_tracker_core.commands.make_dsiam import make_dsiam
from siam_tracker_core.crop import Frame
from siam_tracker_core.datasets import read_sequences
from siam_tracker_core.errors import ConfigError, DatasetError
from siam_tracker_core.geometry import Window, context_size
from siam_tracker_core.networks import backbone
from siam_tracker_core.networks.dsiam import DSiamNetwork
from siam_tracker_core.training.engine.response_fit import fit_response
from siam_tracker_core.weights import read_weights, save_weights


def test_gain_and_bias_are_fitted_on_training_videos(videos, tmp_path, capsys):
    torch.manual_seed(0)
    start, out = tmp_path / "b.safetensors", tmp_path / "w.safetensors"
    save_weights(start, backbone("alexnet").state_dict(), {"network": {"backbone": "alexnet"}})
    make_dsiam(start, out, gain=7.0, bias=9.0, videos=videos, most=2)
    got, metadata = read_weights(out)
    gain, bias = metadata["network"]["gain"], float(got["correlation.bias"])
    assert f"gain {gain:.4g}, bias " in capsys.readouterr().out
    assert gain > 0 > bias
    tracker = load_tracker(out, "cpu", precision="single")
    network, on, off = tracker.model.network, [], []
    for sequence in read_sequences(videos)[:2]:
        looks = []
        for number, factor, size in ((0, 1.0, 127), (6, 255 / 127, 255)):
            box = sequence.box(number)
            window = Window(*box.centre, context_size(box.width, box.height) * factor)
            looks.append(Frame.upload(sequence.image(number), "cpu").crops([window], size).flip(1).float())
        with torch.inference_mode():
            response = network(*looks)[0, 0]
        on.append(float(response[8, 8]))
        off += response[:4].flatten().tolist()
    assert np.mean(np.array(off) < 0) > 0.5 > np.mean(np.array(on) < 0)
    with pytest.raises(ConfigError, match="which has its gain and bias; leave out --videos"):
        make_dsiam(random_weights(tmp_path / "s.safetensors"), tmp_path / "x.safetensors", videos=videos)


def test_videos_that_show_nothing_to_fit_on(videos):
    with pytest.raises(DatasetError, match="no sequence has two frames with a target"):
        fit_response(DSiamNetwork(backbone("alexnet")), [read_sequences(videos)[0].head(1)])
