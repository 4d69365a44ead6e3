"""Four-directional IRNN: context from every side of a map, by recurrent networks of rectified linear units.

SRT (section 2.1, equations 1 and 3) for the recurrence; ION (Bell et al., 2016, section 3.1), which SRT takes it from,
for its form: one 1x1 convolution into all directions, and one over the concatenated directions out of them.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

DIRECTIONS = ("right", "left", "down", "up")
INPUT_DEVIATION = 0.002  # of U, SRT section 3.1

# Of each direction the axis of (N, rows, columns, channels) that it goes along, and whether backwards.
_WAYS = ((2, False), (2, True), (1, False), (1, True))


class IRNN(nn.Module):
    """One pass of hidden maps in four directions and the output over them (equation 3).

    ``h_d(v) = relu(U x(v) + W_d h_d(p_d(v)) + b_d)`` for each direction d, where ``p_d(v)`` is the cell before v, and
    ``o(v) = relu(sum_d V_d h_d(v) + c)``. Before a row or column begins, h is 0. Maps are channels last, since every
    product is over channels.

    Args:
        inputs: channels of the map.
        hidden: channels of each hidden map; 512 in ION.
        outputs: channels of the result.
        shared_input: one U for all directions, as in SRT and ION, or one each (U_d of equation 3).
        identity_start: whether each W starts as the identity, which makes this an IRNN; else Xavier.

    Attributes:
        input: U, without bias, since each direction has its own.
        recurrent: W (4, hidden, hidden), in the order of ``DIRECTIONS``.
        bias: b (4, hidden).
        output: V and c; its inputs are the directions one after the other.
    """

    def __init__(
        self, inputs: int, hidden: int, outputs: int, shared_input: bool = True, identity_start: bool = True
    ) -> None:
        super().__init__()
        count = len(DIRECTIONS)
        self.hidden, self.shared_input = hidden, shared_input
        self.input = nn.Linear(inputs, hidden if shared_input else count * hidden, bias=False)
        self.recurrent = nn.Parameter(torch.eye(hidden).repeat(count, 1, 1))
        self.bias = nn.Parameter(torch.zeros(count, hidden))
        self.output = nn.Linear(count * hidden, outputs)
        nn.init.normal_(self.input.weight, std=INPUT_DEVIATION)
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        if not identity_start:
            for matrix in self.recurrent.data:
                nn.init.xavier_uniform_(matrix)

    def project(self, inputs: torch.Tensor) -> torch.Tensor:
        """U x: (..., inputs) to (..., hidden), or (..., 4 * hidden) with a U for each direction.

        It is linear, so an average over cells may be taken before or after it.
        """
        return self.input(inputs)

    def hidden_maps(self, projected: torch.Tensor) -> list[torch.Tensor]:
        """The hidden maps of projected inputs (N, rows, columns, ...), a (N, rows, columns, hidden) each direction."""
        parts = [projected] * 4 if self.shared_input else list(projected.chunk(4, dim=-1))
        return [
            _recur(part, matrix, bias, axis, backwards)
            for part, matrix, bias, (axis, backwards) in zip(parts, self.recurrent, self.bias, _WAYS, strict=True)
        ]

    def propagate(self, projected: torch.Tensor) -> torch.Tensor:
        """The result (N, rows, columns, outputs) for projected inputs (N, rows, columns, ...), see ``project``."""
        return functional.relu(self.output(torch.cat(self.hidden_maps(projected), dim=-1)))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Context features (N, rows, columns, outputs) of maps (N, rows, columns, inputs)."""
        return self.propagate(self.project(inputs))


def _recur(inputs: torch.Tensor, matrix: torch.Tensor, bias: torch.Tensor, axis: int, backwards: bool) -> torch.Tensor:
    """``h_i = relu(x_i + W h_(i-1) + b)`` along one axis of (N, rows, columns, hidden), for all lines at once."""
    steps = list((inputs + bias).unbind(axis))
    if backwards:
        steps.reverse()
    found = [functional.relu(steps[0])]
    for step in steps[1:]:
        found.append(functional.relu(step + functional.linear(found[-1], matrix)))
    if backwards:
        found.reverse()
    return torch.stack(found, dim=axis)
