"""The parameter file that ships says what the node does anyway."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from siam_tracker_ros.declarations import Changes
from siam_tracker_ros.node.parameter_files import FILES, write
from siam_tracker_ros.node.parameters import DECLARATIONS, change_problem, problem


def test_the_parameter_file_holds_every_parameter_with_its_default(repository_root: Path) -> None:
    content = yaml.safe_load((repository_root / "config" / "tracker_node.yaml").read_text())
    values = content["/**"]["ros__parameters"]
    assert values == {name: declaration.default for name, declaration in DECLARATIONS.items()}
    assert {name: type(value) for name, value in values.items()} == {
        name: declaration.kind for name, declaration in DECLARATIONS.items()
    }


def test_the_files_made_of_the_parameters_are_up_to_date(repository_root: Path, tmp_path: Path) -> None:
    """After a change: python -m siam_tracker_ros.node.parameter_files."""
    for name in FILES:
        (tmp_path / name).parent.mkdir()
    write(tmp_path)
    for name in FILES:
        assert (repository_root / name).read_text() == (tmp_path / name).read_text(), name


@pytest.mark.parametrize("name", DECLARATIONS)
def test_every_default_is_allowed_and_a_wrong_type_is_not(name: str) -> None:
    assert problem(name, DECLARATIONS[name].default) == ""
    assert f"the parameter {name} cannot be [1]; expected " in problem(name, [1])


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("queue_depth", 0, "the parameter queue_depth cannot be 0; expected a whole number from 1 to 1000"),
        ("stamp_patience", 1, "the parameter stamp_patience cannot be 1; expected a number with a decimal point"),
        ("tracker", "nosuch", "the parameter tracker cannot be 'nosuch'; expected cascade or "),
        ("reliability", "sometimes", "cannot be 'sometimes'; expected best_effort or reliable"),
    ],
)
def test_impossible_values_are_told_with_what_would_be_right(name: str, value: object, words: str) -> None:
    """The node says the same at its start, which is tested with two of them in test_tracker_node_lifecycle.py."""
    assert words in problem(name, value)


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:3"])
def test_devices(device: str) -> None:
    assert problem("device", device) == ""
    assert problem("device", device + "?") != ""


def test_when_parameters_may_change() -> None:
    for name, declaration in DECLARATIONS.items():
        states = {state for state in ("unconfigured", "inactive", "active") if not change_problem(name, state)}
        if declaration.changes is Changes.WHILE_UNCONFIGURED:
            assert states == {"unconfigured"}
        elif declaration.changes is Changes.WHILE_INACTIVE:
            assert states == {"unconfigured", "inactive"}
        else:
            assert states == {"unconfigured", "inactive", "active"}
    assert problem("use_sim_time", True) == ""
