"""What setup.py says, to pip and to colcon, without anything being installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

setuptools = pytest.importorskip("setuptools")

OWN = {"siam_tracker_core", "siam_tracker_ros", "siam_tracker_msgs"}


def load_setup(root: Path, monkeypatch: pytest.MonkeyPatch, colcon: bool) -> tuple[ModuleType, dict[str, Any]]:
    """setup.py as a module, and what it handed to setuptools."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **keywords: given.update(keywords))
    monkeypatch.chdir(root)
    if colcon:
        monkeypatch.setenv("COLCON", "1")
    else:
        monkeypatch.delenv("COLCON", raising=False)
    spec = importlib.util.spec_from_file_location("siam_tracker_setup", root / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, given
