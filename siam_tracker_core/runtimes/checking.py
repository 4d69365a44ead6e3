"""Whether an exported tracker answers as PyTorch does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from siam_tracker_core.errors import ExportError
from siam_tracker_core.runtimes.backend import Backend, Tensors
from siam_tracker_core.runtimes.samples import Sample

# Largest differences that arithmetic of a precision explains, relative to a branch's largest answer. bfloat16 has eight
# bits, and the sides of boxes are exponentials of what it computes; int8 moves a probability by tenths in single cells.
# Whether tracking suffers is told by its accuracy alone.
TOLERANCES = {"single": 1e-3, "half": 0.3, "int8": 0.6}


@dataclass(frozen=True)
class CropSizes:
    """How a tracker cuts its crops.

    Attributes:
        exemplar: side of the exemplar crop in pixels.
        searches: sides of the search crops in pixels.
        context: margin around the target as a share of its width plus height.
        count: of search crops for a target in a frame.
    """

    exemplar: int
    searches: tuple[int, ...]
    context: float
    count: int = 1


def largest_differences(
    backend: Backend, reference: Backend, sizes: CropSizes, samples: Sequence[Sample]
) -> dict[int, float]:
    """How far a backend's answers are from a reference's.

    Args:
        backend, reference: of one network.
        sizes: of the crops.
        samples: to look at, two at once.

    Returns:
        The largest difference of each graph, relative to the largest answer in that tensor: by size of search crops,
        and that of the template branch by 0.
    """
    worst = dict.fromkeys((0, *sizes.searches), 0.0)
    with torch.inference_mode():
        for start in range(0, len(samples), 2):
            some = samples[start : start + 2]
            crops = torch.cat([sample.exemplar(sizes.exemplar, sizes.context) for sample in some])
            own, right = (_on_cpu(each.template(crops.to(each.device))) for each in (backend, reference))
            worst[0] = max(worst[0], _difference(own, right))
            for size in sizes.searches:
                crops = torch.cat([sample.search(size, sizes.exemplar, sizes.context) for sample in some])
                # Both search with the reference's template, so that each graph answers for itself.
                answers = [
                    _on_cpu(each.search(tuple(part.to(each.device) for part in right), crops.to(each.device)))
                    for each in (backend, reference)
                ]
                worst[size] = max(worst[size], _difference(*answers))
    return worst


def check_differences(differences: dict[int, float], precision: str) -> None:
    """Refuse an export whose answers differ by more than its precision explains.

    Raises:
        ExportError: names the graph, its difference, and the largest that is accepted.
    """
    tolerance = TOLERANCES[precision]
    for size, difference in differences.items():
        if not difference <= tolerance:
            graph = f"search graph for crops of {size} pixels" if size else "template graph"
            raise ExportError(
                f"the {graph} differs from PyTorch by {difference:.2g} of its largest answer; up to {tolerance:g} is "
                f"accepted in {precision} precision, so nothing was exported"
            )


def _on_cpu(tensors: Tensors) -> Tensors:
    return tuple(part.float().cpu() for part in tensors)


def _difference(own: Tensors, right: Tensors) -> float:
    return max(
        float((first - second).abs().max() / second.abs().max().clamp_min(1e-6))
        for first, second in zip(own, right, strict=True)
    )
