"""Every key in the manifests is one that rosdep knows: an unknown one stops `rosdep install` for everybody."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

OWN = {"siam_tracker_msgs", "siam_tracker_ros"}  # in the same workspace, which --ignore-src passes over
KNOWN = yaml.safe_load(Path(__file__).with_name("rosdep_keys.yaml").read_text(encoding="utf-8"))


def keys(manifest: Path) -> set[str]:
    root = ElementTree.parse(manifest).getroot()
    return {str(element.text) for element in root if element.tag.endswith("depend")}


@pytest.mark.parametrize("manifest", ["package.xml", "siam_tracker_msgs/package.xml"])
def test_rosdep_knows_every_key(repository_root: Path, manifest: str) -> None:
    named = keys(repository_root / manifest)
    assert named - OWN - set(KNOWN["system"]) - set(KNOWN["ros"]) == set()
    assert {"rclpy", "python3-torch"} <= named or manifest != "package.xml"


def test_the_keys_that_debian_packages_cannot_have_are_the_ones_that_the_page_takes_out(repository_root: Path) -> None:
    """bloom writes what pip installs among the packages of apt, where it is not."""
    by_pip = {key for key in keys(repository_root / "package.xml") if KNOWN["system"].get(key) == "pip"}
    page = (repository_root / "docs" / "debian.md").read_text(encoding="utf-8")
    assert by_pip == {"python3-rosbags-pip"}
    assert "sed -i 's/, rosbags//' debian/control" in page


@pytest.mark.skipif(shutil.which("rosdep") is None, reason="rosdep is not installed here")
def test_rosdep_itself_resolves_every_key(repository_root: Path) -> None:
    done = subprocess.run(["rosdep", "db"], capture_output=True, text=True, check=False)
    if done.returncode != 0 or "->" not in done.stdout:
        pytest.skip("rosdep has no data here: rosdep update")
    there = {line.partition(" -> ")[0].strip() for line in done.stdout.splitlines()}
    assert keys(repository_root / "package.xml") - OWN - set(KNOWN["ros"]) <= there
