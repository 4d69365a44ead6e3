"""Single settings of nested mappings on the command line, as jsonargparse then takes them."""

from __future__ import annotations

from typing import Any

import pytest
from jsonargparse import auto_cli

from siam_tracker_core.commands.nested import gather_nested
from siam_tracker_core.errors import ConfigError

FILE = """
name: b
data: {pairs: {frame_range: 50, negative_share: 0.1}, workers: 2}
training: {warmup: {steps: 9, start_factor: 1e-2}, lr: 5e-3}
"""


def command(
    name: str = "a", data: dict[str, Any] | None = None, training: dict[str, Any] | None = None, flag: bool = False
) -> Any:
    return name, data, training


def parsed(*words: str) -> Any:
    return auto_cli(command, args=gather_nested(command, words), as_positional=True)


def test_a_key_changes_no_other_of_the_file(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(FILE)
    name, data, training = parsed("--config", str(file), "--data.pairs.cutouts", "my things", "--training.epochs", "3")
    assert name == "b"
    assert data == {"pairs": {"frame_range": 50, "negative_share": 0.1, "cutouts": "my things"}, "workers": 2}
    assert training == {"warmup": {"steps": 9, "start_factor": 0.01}, "lr": 0.005, "epochs": 3}
    keys = ("--training.warmup.start_factor=1e-1", "--training.warmup.steps", "1")
    _, data, training = parsed(f"--config={file}", *keys)
    assert training["warmup"] == {"steps": 1, "start_factor": 0.1}
    assert data["pairs"] == {"frame_range": 50, "negative_share": 0.1}


def test_keys_without_a_file():
    words = (
        "--data",
        "{workers: 4, pairs: {negative_share: 0.2}}",
        "--data.held_out",
        "x",
        "1e3y",
        "--data.pairs.a",
        "yes",
    )
    assert parsed(*words)[1] == {"workers": 4, "pairs": {"negative_share": 0.2, "a": True}, "held_out": ["x", "1e3y"]}
    assert parsed("--data.a.b", "1", "--data.a.b", "2", "--name", "c") == ("c", {"a": {"b": 2}}, None)
    assert parsed("--training.epochs", "3")[2] == {"epochs": 3}
    assert gather_nested(command, ["--name", "a.b", "--flag.x", "1"]) == ["--name", "a.b", "--flag.x", "1"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--data.pairs.negative_share"], "data.pairs.negative_share needs a value"),
        (["--data.pairs.negative_share", "--name", "b"], "data.pairs.negative_share needs a value"),
        (["--data.", "3"], "needs a value"),
        (["--data.x", "[1"], r"the value of --data.x, \[1"),
        (["--config", "none.yaml", "--data.x", "1"], "none.yaml cannot be read: No such file"),
    ],
)
def test_mistakes(words, told):
    with pytest.raises(ConfigError, match=told):
        gather_nested(command, words)
