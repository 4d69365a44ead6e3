"""A training's settings of the tracker: they validate, and stay with the weights."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from siam_tracker_core.commands.train import trainable
from siam_tracker_core.training.engine.recipe import read_recipe
from siam_tracker_core.weights import save_weights
from siam_tracker_core.zoo import load_tracker

SMALL = {"siamfc": {}, "siamrpn": {"backbone": "alexnet", "hidden": 16}, "siamban": {"hidden": 16, "depth": 1}}


@pytest.mark.parametrize(
    ("kind", "tracking"),
    [
        ("siamfc", {"scale_step": 1.1, "scale_limits": [0.5, 2.0]}),
        ("siamrpn", {"window_influence": 0.31, "lost": {"patience": 4}}),
        ("siamban", {"size_lr": 0.44, "lost": {"patience": 4}}),
    ],
)
def test_the_trackers_settings_validate_and_stay_with_the_weights(
    kind: str, tracking: dict[str, Any], tmp_path: Path
) -> None:
    training = trainable(kind)
    recipe = read_recipe(training.recipe_class, {**SMALL[kind], "tracking": tracking})
    module = training.build(recipe)
    validating = module.tracker(copy.deepcopy(module.network)).model.config
    assert validating == replace(recipe.tracking, lost=validating.lost)
    assert not validating.lost.enabled
    save_weights(tmp_path / "w.safetensors", module.network.state_dict(), module.description())
    config = load_tracker(tmp_path / "w.safetensors", "cpu").config
    assert config == replace(recipe.tracking, lost=config.lost)
    assert config.lost.enabled
