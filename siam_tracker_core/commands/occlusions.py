"""Write made scenes with occlusions, to evaluate on: ``python -m siam_tracker_core.commands.occlusions OUT``."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import auto_cli

from siam_tracker_core.benchmarks.occlusions import occlusion_scene


def occlusions(out: Path, scenes: int = 12) -> None:
    """Write scenes in OTB's form, a folder each.

    Args:
        out: a new or empty folder.
        scenes: how many.
    """
    for seed in range(scenes):
        scene = occlusion_scene(seed)
        scene.write_otb_form(out / scene.name)
    print(f"{scenes} scenes in {out}; now: siam-tracker evaluate folder --root {out} --trackers ...")


if __name__ == "__main__":
    auto_cli(occlusions, as_positional=True)
