"""The four-directional IRNN: SRT's equations 1 to 3 vertex by vertex, its gradients, and how far context reaches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from siam_tracker_core.networks.irnn import DIRECTIONS, IRNN

# Each direction's predecessor p(v), as row and column relative to the vertex.
BEFORE = {"right": (0, -1), "left": (0, 1), "down": (-1, 0), "up": (1, 0)}


def made_irnn(shared: bool = True, seed: int = 0, inputs: int = 5, hidden: int = 4, outputs: int = 3) -> IRNN:
    """An IRNN in double precision with weights of usual size, so that no term of the equations is negligible."""
    torch.manual_seed(seed)
    irnn = IRNN(inputs, hidden, outputs, shared).double()
    for parameter in irnn.parameters():
        parameter.data += 0.4 * torch.randn_like(parameter)
    return irnn


def vertices(rows: int, columns: int, direction: str) -> list[tuple[int, int]]:
    """All vertices, each after its predecessor."""
    down = range(rows) if direction != "up" else range(rows - 1, -1, -1)
    across = range(columns) if direction != "left" else range(columns - 1, -1, -1)
    return [(row, column) for row in down for column in across]


def input_matrices(irnn: IRNN) -> list[np.ndarray]:
    weight = irnn.input.weight.detach().numpy()
    return [weight] * 4 if irnn.shared_input else np.split(weight, 4)


def naive_hidden(irnn: IRNN, x: np.ndarray) -> list[np.ndarray]:
    """h^d(v) = f(U x(v) + W h^d(p(v)) + b^d), one vertex after the other (equations 1 and 3)."""
    rows, columns, _ = x.shape
    maps = []
    for number, direction in enumerate(DIRECTIONS):
        u, w = input_matrices(irnn)[number], irnn.recurrent[number].detach().numpy()
        h = np.zeros((rows, columns, irnn.hidden))
        for row, column in vertices(rows, columns, direction):
            before = row + BEFORE[direction][0], column + BEFORE[direction][1]
            inside = 0 <= before[0] < rows and 0 <= before[1] < columns
            last = h[before] if inside else np.zeros(irnn.hidden)
            h[row, column] = np.maximum(u @ x[row, column] + w @ last + irnn.bias[number].detach().numpy(), 0)
        maps.append(h)
    return maps


def naive_output(irnn: IRNN, maps: list[np.ndarray]) -> np.ndarray:
    """o(v) = g(sum of V_d h^d(v) + c) (equation 3)."""
    rows, columns, _ = maps[0].shape
    v, c = np.split(irnn.output.weight.detach().numpy(), 4, axis=1), irnn.output.bias.detach().numpy()
    o = np.zeros((rows, columns, len(c)))
    for row in range(rows):
        for column in range(columns):
            o[row, column] = np.maximum(sum(v[d] @ maps[d][row, column] for d in range(4)) + c, 0)
    return o


@pytest.mark.parametrize("shared", [True, False])
def test_equals_the_equations_vertex_by_vertex(shared):
    irnn = made_irnn(shared)
    x = torch.randn(3, 4, 6, 5, dtype=torch.float64)
    with torch.no_grad():
        found, hidden = irnn(x), irnn.hidden_maps(irnn.project(x))
    for number in range(3):
        maps = naive_hidden(irnn, x[number].numpy())
        for direction, own in enumerate(maps):
            np.testing.assert_allclose(hidden[direction][number], own, atol=1e-6)
        np.testing.assert_allclose(found[number], naive_output(irnn, maps), atol=1e-6)
    assert (found > 0).double().mean() > 0.2


@pytest.mark.parametrize("shared", [True, False])
def test_gradients_equal_equation_2(shared):
    """Errors go back vertex by vertex, from successors to their predecessors, as the paper writes it."""
    irnn = made_irnn(shared, seed=1)
    x = torch.randn(1, 4, 5, 5, dtype=torch.float64)
    towards = torch.randn(1, 4, 5, 3, dtype=torch.float64)
    (irnn(x) * towards).sum().backward()

    inputs, maps = x[0].numpy(), naive_hidden(irnn, x[0].numpy())
    outer = towards[0].numpy() * (naive_output(irnn, maps) > 0)  # g'
    v = np.split(irnn.output.weight.detach().numpy(), 4, axis=1)
    delta_v, delta_u = [np.zeros_like(part) for part in v], [np.zeros_like(u) for u in input_matrices(irnn)]
    delta_w, delta_b = np.zeros((4, 4, 4)), np.zeros((4, 4))
    for number, direction in enumerate(DIRECTIONS):
        h, w = maps[number], irnn.recurrent[number].detach().numpy()
        dh = np.zeros_like(h)
        for row, column in reversed(vertices(4, 5, direction)):
            after = row - BEFORE[direction][0], column - BEFORE[direction][1]
            dh[row, column] = v[number].T @ outer[row, column]
            if 0 <= after[0] < 4 and 0 <= after[1] < 5:
                indirect = dh[after] * (h[after] > 0)
                dh[row, column] += w.T @ indirect
                delta_w[number] += np.outer(indirect, h[row, column])
            direct = dh[row, column] * (h[row, column] > 0)
            delta_v[number] += np.outer(outer[row, column], h[row, column])
            delta_u[number] += np.outer(direct, inputs[row, column])
            delta_b[number] += direct
    np.testing.assert_allclose(irnn.output.weight.grad, np.concatenate(delta_v, axis=1), atol=1e-9)
    np.testing.assert_allclose(irnn.output.bias.grad, outer.sum(axis=(0, 1)), atol=1e-9)
    np.testing.assert_allclose(irnn.recurrent.grad, delta_w, atol=1e-9)
    np.testing.assert_allclose(irnn.bias.grad, delta_b, atol=1e-9)
    np.testing.assert_allclose(irnn.input.weight.grad, sum(delta_u) if shared else np.concatenate(delta_u), atol=1e-9)


def test_gradients_equal_differences():
    irnn = made_irnn(seed=2, inputs=3, hidden=2, outputs=2)
    names = [name for name, _ in irnn.named_parameters()]
    values = [parameter.detach().clone().requires_grad_() for parameter in irnn.parameters()]
    x = torch.randn(2, 3, 3, 3, dtype=torch.float64, requires_grad=True)

    def run(x: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(irnn, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(run, (x, *values))


def test_context_reaches_row_and_column_and_with_a_second_pass_every_cell():
    """One input at a time, at each cell; a cell is reached where some hidden unit differs from that of no input."""
    torch.manual_seed(3)
    first, second = IRNN(8, 32, 16), IRNN(16, 32, 16)
    cells = torch.zeros(49, 7, 7, 8)
    cells.view(49, 49, 8)[torch.arange(49), torch.arange(49)] = torch.rand(49, 8) + 0.5
    with torch.no_grad():
        maps = first.hidden_maps(first.project(cells))
        again = second.hidden_maps(second.project(first(cells)))
        for direction, own in zip(DIRECTIONS, maps, strict=True):
            start = own.view(49, 49, 32)[torch.arange(49), torch.arange(49)]
            assert (start.amax(dim=1) > 0).all(), direction
    reached = torch.stack([(own > 0).any(dim=-1) for own in maps]).any(dim=0)
    numbers = torch.arange(49).view(7, 7)
    for number in range(49):
        row, column = divmod(number, 7)
        assert set(numbers[reached[number]].tolist()) == {*numbers[row].tolist(), *numbers[:, column].tolist()}
    assert torch.stack([(own > 0).any(dim=-1) for own in again]).any(dim=0).all()


def test_identity_start_carries_an_input_on_unchanged():
    torch.manual_seed(4)
    irnn = IRNN(8, 16, 4)
    x = torch.zeros(1, 7, 7, 8)
    x[0, 3, 0] = torch.rand(8)
    with torch.no_grad():
        right = irnn.hidden_maps(irnn.project(x))[0][0, 3]
    assert right[0].max() > 0
    assert torch.equal(right, right[:1].expand(7, -1))


def test_starts_as_the_paper_says():
    torch.manual_seed(5)
    irnn = IRNN(512, 64, 32)
    assert torch.equal(irnn.recurrent, torch.eye(64).repeat(4, 1, 1))
    assert irnn.input.weight.std().item() == pytest.approx(0.002, rel=0.02)
    bound = (6 / (4 * 64 + 32)) ** 0.5  # Xavier
    assert bound * 0.98 < irnn.output.weight.abs().max().item() <= bound
    assert (irnn.bias.abs().sum() + irnn.output.bias.abs().sum()).item() == 0
    random = IRNN(512, 64, 32, shared_input=False, identity_start=False)
    bound = (6 / 128) ** 0.5
    assert bound * 0.98 < random.recurrent.abs().max().item() <= bound
    assert random.input.weight.shape == (256, 512)


def test_regions_do_not_see_each_other():
    irnn = made_irnn(seed=6)
    x = torch.randn(4, 3, 3, 5, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(irnn(x), torch.cat([irnn(part[None]) for part in x]))
