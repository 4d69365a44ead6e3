"""The anchor-free network: correlation cell by cell, boxes from distances, and where the cells lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from siam_tracker_core.networks import backbone
from siam_tracker_core.networks.siamban import PixelwiseHead, SiamBANNetwork


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    features = backbone("mobilenetv2_stride16")
    return SiamBANNetwork(features, PixelwiseHead(features.out_channels, hidden=8, depth=1)).eval()


def test_response_is_the_product_of_each_exemplar_cell_with_each_search_cell(network):
    head = network.head
    exemplar, search = torch.randn(2, 96, 3, 3), torch.randn(2, 96, 5, 4)
    head = PixelwiseHead(96, cells=9, hidden=8, depth=1).eval()
    seen = []
    head.norm.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    with torch.no_grad():
        head(search, head.kernels(exemplar))
        template, embedded = head.embed_template(exemplar).numpy(), head.embed_search(search).numpy()
    response = seen[0].numpy()
    for n, row, column, y, x in np.ndindex(2, 3, 3, 5, 4):
        product = float(template[n, :, row, column] @ embedded[n, :, y, x]) / 96**0.5
        assert response[n, 3 * row + column, y, x] == pytest.approx(product, abs=1e-4)


def test_boxes_reach_from_their_points_to_the_four_sides(network):
    distances = torch.rand(2, 4, 1, 5, 5, generator=torch.Generator().manual_seed(1)) * 40 + 1
    boxes = network.boxes(distances)
    for n, row, column in np.ndindex(2, 5, 5):
        x, y = (column - 2) * 16, (row - 2) * 16
        left, top, right, bottom = distances[n, :, 0, row, column].tolist()
        centre_x, centre_y, width, height = boxes[n, 0, row, column].tolist()
        assert [centre_x - width / 2, centre_y - height / 2] == pytest.approx([x - left, y - top], abs=1e-3)
        assert [centre_x + width / 2, centre_y + height / 2] == pytest.approx([x + right, y + bottom], abs=1e-3)


def test_a_search_crop_of_255_pixels_has_15_cells_about_its_middle(network):
    with torch.no_grad():
        proposals = network(torch.rand(1, 3, 127, 127) * 255, torch.rand(1, 3, 255, 255) * 255)
    assert proposals.logits.shape == (1, 2, 1, 15, 15)
    assert proposals.distances.shape == (1, 4, 1, 15, 15)
    assert (proposals.distances > 0).all()
    points = network.points(15, torch.device("cpu"))
    assert points[7, 7].tolist() == [0, 0]
    assert points[0, 14].tolist() == [112, -112]


def test_a_search_crop_takes_two_thirds_of_the_operations_at_stride_8(network):
    """0.31 G multiply-adds, where the anchors on the same backbone dilated to stride 8 take 0.45 G."""
    counted = 0

    def count(module, inputs, output):
        nonlocal counted
        weights = module.weight
        counted += weights[0].numel() * output[0].numel() // output.shape[1] * weights.shape[0]

    hooks = [layer.register_forward_hook(count) for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)]
    full = SiamBANNetwork(network.backbone, PixelwiseHead(96)).eval()
    hooks += [layer.register_forward_hook(count) for layer in full.head.modules() if isinstance(layer, torch.nn.Conv2d)]
    kernels = full.template(torch.zeros(1, 3, 127, 127))
    counted = 0
    with torch.no_grad():
        full.detect(torch.zeros(1, 3, 255, 255), kernels)
    for hook in hooks:
        hook.remove()
    assert counted == pytest.approx(0.312e9, rel=0.01)
