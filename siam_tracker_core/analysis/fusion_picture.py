"""A picture of the weight maps that fuse the layers' responses of DSiamM, as the paper's Figure 4 has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from siam_tracker_core.errors import WeightsError
from siam_tracker_core.evaluation.report.plot_style import STYLE, svg
from siam_tracker_core.evaluation.report.svg_file import write_svg
from siam_tracker_core.networks.layer_fusion import LayerFusion
from siam_tracker_core.weights import below, load_into, read_weights


def fusion_maps(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    """The layers of a DSiamM and their weight maps.

    Args:
        path: of its weights file.

    Returns:
        Names of the layers, and Upsilon (layers, cells, cells).

    Raises:
        WeightsError: if there is no such file, or nothing is fused in it.
    """
    state, metadata = read_weights(path)
    layers = list(metadata.get("network", {}).get("layers", []))
    if len(layers) < 2:
        raise WeightsError(f"{path} holds no weight maps of a fusion; a DSiamM has them, with two layers or more")
    fusion = LayerFusion(len(layers), int(metadata["network"]["cells"]))
    load_into(fusion, below(state, "fusion."), str(path))
    return layers, fusion.weights.detach().numpy()


def fusion_picture(layers: Sequence[str], maps: NDArray[np.float32]) -> str:
    """A panel for each layer's weight map in SVG, each with colours for its own range.

    Args:
        layers: their names.
        maps: (layers, cells, cells).
    """
    reach = maps.shape[-1] / 2
    with rc_context(STYLE):
        figure = Figure(figsize=(3.8 * len(layers), 3.5), layout="constrained")
        panels = figure.subplots(1, len(layers), squeeze=False)[0]
        for panel, layer, weights in zip(panels, layers, maps, strict=True):
            shown = panel.imshow(
                weights, cmap="viridis", interpolation="nearest", extent=(-reach, reach, reach, -reach)
            )
            panel.set_title(f"{layer}: {weights.min():.3f} to {weights.max():.3f}")
            panel.set_xlabel("cells of the response from its middle")
            panel.grid(visible=False)
            figure.colorbar(shown, ax=panel, label="weight")
        return svg(figure, f"fusion-{'-'.join(layers)}")


def save_fusion_picture(path: Path, weights: Path) -> None:
    """Draw the weight maps of a DSiamM's weights file.

    Args:
        path: of the picture, ending in ``.svg``.
        weights: of the DSiamM.

    Raises:
        WeightsError: see ``fusion_maps``.
        SiamTrackerError: if the picture cannot be written.
    """
    write_svg(path, fusion_picture(*fusion_maps(weights)))
