"""Files that come with the package: trained weights, and settings of trackers."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from siam_tracker_core.errors import ConfigError, WeightsError

PACKAGE = "siam_tracker_core"
INSTALLED = "shipped"  # the folder of an installed package that holds them; setup.py copies them there
WEIGHTS, CONFIGS = "weights", "config/trackers"
LOCATION_VARIABLE = "SIAM_TRACKER_WEIGHTS"  # of the environment: where `siam-tracker zoo --get` finds weights
RECIPES, EXPERIMENTS = "config/train", "config/experiments"


def shipped(folder: str) -> Path:
    """A folder of files that come with the package.

    An installed package has it inside. In the repository, and so under an editable installation, it is beside the
    package.

    Args:
        folder: ``weights``, ``config/trackers``, ``config/train`` or ``config/experiments``.

    Raises:
        WeightsError: if it is in neither place.
    """
    inside = Path(str(files(PACKAGE))) / INSTALLED / folder
    beside = Path(__file__).resolve().parent.parent / folder
    for place in (inside, beside):
        if place.is_dir():
            return place
    raise WeightsError(f"{folder} is neither in the package ({inside}) nor beside it ({beside}); install it again")


def fetched_weights() -> Path:
    """The folder of this user for weights that ``siam-tracker zoo --get`` fetched (below ``XDG_DATA_HOME``)."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "siam_tracker_ros" / WEIGHTS


def find_config(name_or_path: str | Path) -> Path:
    """The settings file of a path, or of a name in config/trackers, e.g. ``siamrpn_long_term``.

    Raises:
        ConfigError: if there is neither.
    """
    path = Path(name_or_path)
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        return path
    known = {file.stem: file for file in sorted(shipped(CONFIGS).glob("*.yaml"))}
    if str(name_or_path) not in known:
        raise ConfigError(f"there are no settings {str(name_or_path)!r}; give a YAML file or one of {', '.join(known)}")
    return known[str(name_or_path)]
