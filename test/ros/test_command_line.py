"""The command lines of the ROS tools beside those of siam-tracker."""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import re
from pathlib import Path

import pytest

from siam_tracker_core.commands.listing import COMMANDS
from siam_tracker_ros import programs
from siam_tracker_ros.bag_evaluation import evaluate_bag
from siam_tracker_ros.command_line import Parser

TOOLS = ["bag_evaluation/evaluate_bag", "bag_evaluation/replay", "benchmark", "console/benchmark", "demo"]
TOOLS += ["follow_demo/main"]
# What an option could be called, too, and the one name that it has everywhere.
ONE_NAME = {
    "busy": "load",
    "nano-models": "peer-models",
    "model": "tracker",
    "output": "out",
    "processes": "jobs",
    "video": "overlay",
    "gpu": "device",
    "as-json": "json",
    "width": "size",
    "height": "size",
    "topic": "image-topic",
}
TRAINING = {"train", "pretrain"}  # whose processes train together, and share no list of jobs


def options_of_tools(root: Path) -> set[str]:
    texts = [(root / "siam_tracker_ros" / f"{tool}.py").read_text(encoding="utf-8") for tool in TOOLS]
    return {name for text in texts for name in re.findall(r'add(?:_argument)?\(\s*"--([\w-]+)"', text)}


def options_of_commands() -> set[str]:
    found: set[str] = set()
    for command, (module, _) in COMMANDS.items():
        function = getattr(importlib.import_module(module), command.replace("-", "_"))
        if command not in TRAINING:
            found |= {name.replace("_", "-") for name in inspect.signature(function).parameters}
    return found


def test_an_option_is_spelled_the_same_everywhere(repository_root: Path) -> None:
    tools = options_of_tools(repository_root)
    assert {"json", "out", "tracker", "device", "image-topic", "size", "load"} <= tools
    assert set(ONE_NAME) & (tools | options_of_commands()) == set()
    assert set(ONE_NAME.values()) <= tools | options_of_commands()


def test_hyphens_and_underscores_are_the_same() -> None:
    parser = Parser()
    parser.add_argument("bag")
    parser.add_argument("--image-topic")
    for words in (["a_b", "--image_topic", "/c_d"], ["a_b", "--image-topic=/c_d"], ["--image_topic=/c_d", "a_b"]):
        assert parser.parse_args(words) == argparse.Namespace(bag="a_b", image_topic="/c_d")


def test_evaluate_bag_answers_a_script(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    scores = {"success_auc": 0.5}
    monkeypatch.setattr(evaluate_bag, "evaluate", lambda options, command: scores)
    assert evaluate_bag.main(["bag", "--json", "--use_running_node", "/siam_tracker"]) == 0
    assert json.loads(capsys.readouterr().out) == scores


def test_an_interruption_while_a_program_is_imported_is_an_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(module: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(programs.importlib, "import_module", interrupted)
    assert programs.run("replay") == 130
