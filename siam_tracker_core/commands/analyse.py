"""``siam-tracker analyse``: what a backbone is like, and which guidelines of SiamDW it breaks."""

from __future__ import annotations

import copy
import importlib
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from siam_tracker_core.analysis.border import load_siamfc, looks
from siam_tracker_core.analysis.guidelines import WIDEST, Analysis, Verdict, padding_change, verdicts
from siam_tracker_core.analysis.guidelines import analyse as measure
from siam_tracker_core.commands.answers import answering
from siam_tracker_core.datasets import read_sequence
from siam_tracker_core.errors import ConfigError, WeightsError
from siam_tracker_core.files import check_outputs
from siam_tracker_core.networks import backbone as make_backbone
from siam_tracker_core.networks import described_backbone
from siam_tracker_core.weights import below, load_into, read_weights


def analyse(
    backbone: str,
    exemplar: int = 127,
    search: int = 255,
    options: dict[str, Any] | None = None,
    picture: Path | None = None,
    fusion: Path | None = None,
    json: bool = False,
    border: Path | None = None,
    sequence: Path | None = None,
) -> None:
    """Measure a backbone's stride, receptive field, padding, sizes and cost, and hold them against four guidelines.

    The guidelines are those of section 3.2 of "Deeper and Wider Siamese Networks for Real-Time Visual Tracking".

    Args:
        backbone: a name such as alexnet or ciresnet22; or a weights file (.safetensors); or package.module:Name of a
            module of your own (a class, a function that makes one, or the module itself), looked for in the current
            folder too.
        exemplar: side of the exemplar image in pixels.
        search: side of the search image in pixels.
        options: arguments of the backbone, such as {crop: false}.
        picture: an SVG file to draw in which cells see padding, and how much one cell sees.
        fusion: an SVG file to draw the layers' weight maps in; backbone must be a weights file of DSiamM then.
        json: print the figures and the guidelines for a script.
        border: an SVG file to draw responses to a target in the middle and at the borders in (Figure 2 of the paper);
            backbone must be a weights file of SiamFC then.
        sequence: the folder of a sequence in OTB's form, whose first target is looked for.
    """
    check_outputs({"--picture": picture, "--fusion": fusion, "--border": border}, [backbone, sequence])
    torch.manual_seed(0)  # of the weights, so that a picture can be made again
    module = find_backbone(backbone, options or {})
    analysis = measure(module, exemplar, search)
    judged = verdicts(analysis)
    with answering(json) as answer:
        print("\n".join([backbone, *_table(analysis), *_claims(module, analysis), "", *_judgement(judged)]))
        answer |= {"backbone": backbone, **asdict(analysis), "guidelines": [asdict(verdict) for verdict in judged]}
        _draw(module, analysis, backbone, picture, fusion)
        if border is not None:
            _draw_border(backbone, border, sequence)


def _draw(module: nn.Module, analysis: Analysis, backbone: str, picture: Path | None, fusion: Path | None) -> None:
    """The pictures that were asked for."""
    if picture is not None:
        from siam_tracker_core.analysis.padding_picture import save_padding_picture  # alone needs matplotlib

        with torch.inference_mode():
            change = padding_change(copy.deepcopy(module).double().eval(), analysis.exemplar, analysis.stride)
        save_padding_picture(picture, backbone, change.numpy(), analysis.exemplar, analysis.receptive_field)
        print(f"\npicture: {picture}")
    if fusion is not None:
        from siam_tracker_core.analysis.fusion_picture import save_fusion_picture  # alone needs matplotlib

        save_fusion_picture(fusion, Path(backbone))
        print(f"\npicture: {fusion}")


def _draw_border(backbone: str, border: Path, sequence: Path | None) -> None:
    """Responses to a target in the middle and at the borders.

    Raises:
        ConfigError: without a sequence.
    """
    if sequence is None:
        raise ConfigError("whose target is to be at the border? give the folder of a sequence: --sequence")
    from siam_tracker_core.analysis.border_picture import save_border_picture  # alone needs matplotlib

    found = looks(load_siamfc(Path(backbone)), read_sequence(sequence))
    save_border_picture(border, Path(backbone).stem, found)
    errors = ", ".join(f"{look.error:.1f}" for look in found)
    print(f"\npeaks off the target by {errors} cells\npicture: {border}")


def find_backbone(name: str, options: dict[str, Any]) -> nn.Module:
    """A backbone of this package by name or out of a weights file, or a module of the user's own by dotted path.

    Raises:
        ConfigError: if there is none of that name, or what is there makes no module of these options.
        WeightsError: if the file is missing, damaged, or does not tell which backbone it holds.
    """
    if name.endswith(".safetensors"):
        return _trained(Path(name), options)
    if ":" not in name:
        return make_backbone(name, **options)
    place, _, attribute = name.partition(":")
    found = _find(place, attribute)
    if isinstance(found, nn.Module):
        if options:
            raise ConfigError(f"{name} is a finished module, which takes no options; name its class instead")
        return found
    if not callable(found):
        raise ConfigError(f"{name} is a {type(found).__name__}; expected a torch.nn.Module, or what makes one")
    try:
        module = found(**options)
    except Exception as error:  # whatever the user's code raises
        raise ConfigError(f"{name} cannot be made with options {options}: {error}") from error
    if not isinstance(module, nn.Module):
        raise ConfigError(f"{name} makes a {type(module).__name__}, expected a torch.nn.Module")
    return module


def _trained(path: Path, options: dict[str, Any]) -> nn.Module:
    state, metadata = read_weights(path)
    description = metadata.get("network", {})
    if "backbone" not in description:
        raise WeightsError(f"{path} does not tell which backbone it holds")
    if "tracker" in metadata:
        state = below(state, "backbone.")
    changed = {**description.get("backbone_options", {}), **options}
    module = described_backbone({**description, "backbone_options": changed}, "", str(path))
    load_into(module, state, str(path))
    return module


def _find(place: str, attribute: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        found = importlib.import_module(place)
    except Exception as error:  # the module's own code runs, and may raise anything
        raise ConfigError(f"module {place!r} cannot be imported: {error}") from error
    if not attribute or not hasattr(found, attribute):
        raise ConfigError(f"module {place!r} has no {attribute!r}; give package.module:Name")
    return getattr(found, attribute)


def _table(analysis: Analysis) -> list[str]:
    field = analysis.receptive_field
    rows = {
        "stride": f"{analysis.stride} px",
        "receptive field": f"{field} px, {analysis.share:.0%} of the exemplar" if field else f"more than {WIDEST} px",
        "padding": f"seen by {analysis.padded_cells} of the exemplar's {analysis.cells**2} cells",
        "features": f"{_square(analysis.cells)} cells for {analysis.exemplar} px, {_square(analysis.search_cells)} for "
        f"{analysis.search} px, {analysis.channels} channels",
        "response": _square(analysis.response),
        "parameters": f"{analysis.parameters / 1e6:.3f} M",
        "multiply-adds": f"{analysis.exemplar_macs / 1e9:.3f} G an exemplar, {analysis.search_macs / 1e9:.3f} G a "
        "search image",
    }
    return [f"  {name:17} {value}" for name, value in rows.items()]


def _square(side: int) -> str:
    return f"{side}x{side}"


def _claims(module: nn.Module, analysis: Analysis) -> list[str]:
    """Where the module says something else of itself than was measured; trackers rely on what it says."""
    measured = {
        "stride": analysis.stride,
        "receptive_field": analysis.receptive_field,
        "out_channels": analysis.channels,
    }
    claimed = {name: getattr(module, name, value) for name, value in measured.items()}
    return [
        f"  but its {name} says {claimed[name]}, measured was {value}"
        for name, value in measured.items()
        if claimed[name] != value
    ]


def _judgement(judged: list[Verdict]) -> list[str]:
    broken = [str(verdict.number) for verdict in judged if not verdict.kept]
    lines = [
        f"  {verdict.number} {'kept  ' if verdict.kept else 'broken'}  {verdict.guideline}: {verdict.finding}"
        for verdict in judged
    ]
    summary = f"breaks {', '.join(broken)}" if broken else "keeps all four"
    return ["guidelines (Zhang and Peng, 2019, section 3.2)", *lines, f"  it {summary}"]
