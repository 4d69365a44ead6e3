"""Weights files that share tensors with others beside them: nothing is stored twice, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from siam_tracker_core.errors import WeightsError
from siam_tracker_core.weights import read_weights, save_weights, shared_files


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A file with a large tensor."""
    torch.manual_seed(0)
    path = tmp_path / "base.safetensors"
    save_weights(path, {"conv": torch.randn(200, 200), "bias": torch.ones(3)}, {"name": "base"})
    return path


def joint_of(base: Path) -> dict[str, torch.Tensor]:
    """The large tensor under another name, and one more."""
    return {"half.conv": read_weights(base)[0]["conv"], "half.scale": torch.full((3,), 2.0)}


def test_what_is_shared_is_read_as_it_was_and_stored_once(base: Path) -> None:
    joint, state = base.with_name("joint.safetensors"), joint_of(base)
    assert save_weights(joint, state, {"name": "joint"}, beside=[base]) == ["half.conv"]
    read, metadata = read_weights(joint)
    assert read.keys() == state.keys()
    assert all(torch.equal(read[name], state[name]) for name in state)
    assert metadata == {"name": "joint"}
    assert joint.stat().st_size < 1000


def test_each_tensor_is_named_in_the_first_file_that_holds_it(base: Path) -> None:
    second = base.with_name("second.safetensors")
    save_weights(second, {**joint_of(base), "bias": torch.full((5,), 4.0)}, {})
    joint = base.with_name("joint.safetensors")
    shared = save_weights(joint, {**joint_of(base), "third": torch.full((5,), 4.0)}, {}, beside=[base, second])
    assert sorted(shared) == ["half.conv", "half.scale", "third"]
    assert shared_files(joint).keys() == {base.name, second.name}
    state, _ = read_weights(joint)
    assert torch.equal(state["third"], torch.full((5,), 4.0))
    assert torch.equal(state["half.conv"], read_weights(base)[0]["conv"])


def test_what_was_read_of_a_shared_file_can_be_written(tmp_path: Path) -> None:
    """Two of its names may stand for one tensor of the other file, whose memory they then have in common."""
    base, joint = tmp_path / "base.safetensors", tmp_path / "joint.safetensors"
    save_weights(base, {"count": torch.tensor(7), "scale": torch.full((3,), 1e6)}, {})
    twins = {"a.count": torch.tensor(7), "b.count": torch.tensor(7), "a.scale": torch.full((3,), 1e6)}
    assert len(save_weights(joint, {**twins, "b.scale": torch.full((3,), 1e6)}, {}, beside=[base])) == 4
    state, _ = read_weights(joint)
    save_weights(tmp_path / "whole.safetensors", state, {})
    whole, _ = read_weights(tmp_path / "whole.safetensors")
    assert whole.keys() == state.keys()
    assert all(torch.equal(whole[name], state[name]) for name in state)


def test_the_other_file_must_be_there_and_be_the_same(base: Path) -> None:
    joint = base.with_name("joint.safetensors")
    save_weights(joint, joint_of(base), {}, beside=[base])
    save_weights(base, {"conv": torch.zeros(200, 200)}, {})
    with pytest.raises(WeightsError, match=r"shares tensors with .*base.safetensors, which is not the file"):
        read_weights(joint)
    base.unlink()
    with pytest.raises(WeightsError, match=r"shares tensors with .*base.safetensors, which does not exist"):
        read_weights(joint)


def test_files_elsewhere_and_those_that_share_themselves_are_not_shared_with(base: Path) -> None:
    joint, state = base.with_name("joint.safetensors"), joint_of(base)
    elsewhere = base.parent / "more" / base.name
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(base.read_bytes())
    assert save_weights(joint, state, {}, beside=[elsewhere]) == []
    assert save_weights(joint, state, {}, beside=[joint]) == []
    assert save_weights(joint, state, {}, beside=[base]) == ["half.conv"]
    third = base.with_name("third.safetensors")
    assert save_weights(third, state, {}, beside=[joint]) == []
    assert shared_files(third) == {}


def test_a_file_beside_that_is_damaged_leaves_what_was_there(base: Path) -> None:
    joint, state = base.with_name("joint.safetensors"), joint_of(base)
    save_weights(joint, state, {"name": "before"})
    base.write_bytes(b"cut")
    with pytest.raises(WeightsError, match="truncated or no safetensors file"):
        save_weights(joint, state, {"name": "after"}, beside=[base])
    assert read_weights(joint)[1] == {"name": "before"}
