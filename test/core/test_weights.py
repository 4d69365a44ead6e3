"""Weights files that share tensors with others beside them: nothing is stored twice, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from siam_tracker_core.errors import WeightsError
from siam_tracker_core.weights import read_weights, save_weights, share, share_beside


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A file, and one that holds its large tensor under another name beside one of its own."""
    torch.manual_seed(0)
    large = torch.randn(200, 200)
    base, joint = tmp_path / "base.safetensors", tmp_path / "joint.safetensors"
    save_weights(base, {"conv": large, "bias": torch.ones(3)}, {"name": "base"})
    save_weights(joint, {"half.conv": large, "half.scale": torch.full((3,), 2.0)}, {"name": "joint"})
    return base, joint


def test_what_is_shared_is_read_as_before_and_stored_once(files: tuple[Path, Path]) -> None:
    base, joint = files
    before, size = read_weights(joint), joint.stat().st_size
    assert share(joint, [base]) == ["half.conv"]
    state, metadata = read_weights(joint)
    assert state.keys() == before[0].keys()
    assert all(torch.equal(state[name], before[0][name]) for name in state)
    assert metadata == before[1]
    assert joint.stat().st_size < size - 200 * 200 * 2 + 1000


def test_what_was_read_of_a_shared_file_can_be_written(tmp_path: Path) -> None:
    """Two of its names may stand for one tensor of the other file, whose memory they then have in common."""
    base, joint = tmp_path / "base.safetensors", tmp_path / "joint.safetensors"
    save_weights(base, {"count": torch.tensor(7), "scale": torch.full((3,), 1e6)}, {})
    twins = {"a.count": torch.tensor(7), "b.count": torch.tensor(7), "a.scale": torch.full((3,), 1e6)}
    save_weights(joint, {**twins, "b.scale": torch.full((3,), 1e6)}, {})
    assert len(share(joint, [base])) == 4
    state, _ = read_weights(joint)
    save_weights(tmp_path / "whole.safetensors", state, {})
    whole, _ = read_weights(tmp_path / "whole.safetensors")
    assert whole.keys() == state.keys()
    assert all(torch.equal(whole[name], state[name]) for name in state)


def test_the_other_file_must_be_there_and_be_the_same(files: tuple[Path, Path]) -> None:
    base, joint = files
    share(joint, [base])
    save_weights(base, {"conv": torch.zeros(200, 200)}, {})
    with pytest.raises(WeightsError, match=r"shares tensors with .*base.safetensors, which is not the file"):
        read_weights(joint)
    base.unlink()
    with pytest.raises(WeightsError, match=r"shares tensors with .*base.safetensors, which does not exist"):
        read_weights(joint)


def test_files_elsewhere_are_not_shared_with(files: tuple[Path, Path], tmp_path: Path) -> None:
    base, joint = files
    elsewhere = tmp_path / "more" / base.name
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(base.read_bytes())
    with pytest.raises(WeightsError, match="with files beside it only"):
        share(joint, [elsewhere])
    assert share_beside(joint, [elsewhere]) == []
    assert share_beside(joint, [elsewhere, base]) == ["half.conv"]
    with pytest.raises(WeightsError, match="shares tensors itself"):
        share(base, [joint])
