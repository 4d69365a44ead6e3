"""The configurations for other people's tools name topics that the node has."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

TOPICS = {"tracks", "annotations", "response_map", "debug_image", "events", "point", "markers"}


def topics_in(text: str) -> set[str]:
    return set(re.findall(r"/siam_tracker/(\w+)", text))


def test_foxglove_layout(repository_root: Path) -> None:
    text = (repository_root / "config" / "foxglove_layout.json").read_text(encoding="utf-8")
    layout = json.loads(text)
    assert topics_in(text) <= TOPICS

    def panels(node: object) -> set[str]:
        return panels(node["first"]) | panels(node["second"]) if isinstance(node, dict) else {node}

    assert panels(layout["layout"]) == set(layout["configById"])
    json.loads(layout["configById"]["Publish!point"]["value"])


def test_rviz_configuration(repository_root: Path) -> None:
    text = (repository_root / "config" / "siam_tracker.rviz").read_text(encoding="utf-8")
    assert topics_in(text) <= TOPICS
    classes = [display["Class"] for display in yaml.safe_load(text)["Visualization Manager"]["Displays"]]
    assert classes.count("rviz_default_plugins/Image") == 2
