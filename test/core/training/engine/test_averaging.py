"""The moving average of weights, against the recursion written out."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from siam_tracker_core.training.engine.averaging import moving_average


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.998])
def test_the_average_is_the_recursion_with_a_warm_up(decay: float) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    average = AveragedModel(network, multi_avg_fn=moving_average(decay), use_buffers=True)
    expected = None
    for step in range(30):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.normal_()
        network(torch.randn(4, 3))
        average.update_parameters(network)
        current = network[0].weight.detach().clone()
        share = min(decay, (1 + step) / (10 + step))
        expected = current if expected is None else share * expected + (1 - share) * current
        torch.testing.assert_close(average.module[0].weight, expected)
        assert average.module[1].num_batches_tracked == step + 1
