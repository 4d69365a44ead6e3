"""What the node loads of the tracker that its parameters name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from siam_tracker_core import load_tracker
from siam_tracker_core.errors import ConfigError
from siam_tracker_ros.node.loading import load
from siam_tracker_ros.node.parameters import Settings


def test_settings_of_the_tracker_by_name_and_by_path(repository_root: Path, tmp_path: Path) -> None:
    settings = replace(Settings(), tracker="siamrpn", tracker_config="siamrpn_long_term", runtime="torch")
    own = tmp_path / "mine.yaml"
    own.write_text("window_influence: 0.125\n")
    by_name, by_path = (
        load(each, load_tracker, "cpu", pytest.fail).tracker.model.config
        for each in (settings, replace(settings, tracker_config=str(own)))
    )
    assert (
        by_name
        == load_tracker(
            "siamrpn", "cpu", config=repository_root / "config" / "trackers" / "siamrpn_long_term.yaml", runtime="torch"
        ).model.config
    )
    assert by_name != by_path
    assert by_path.window_influence == 0.125


def test_settings_that_are_not_there_are_named_with_those_that_are() -> None:
    settings = replace(Settings(), tracker_config="siamrpn_longterm")
    with pytest.raises(ConfigError, match=r"no settings 'siamrpn_longterm'.*siamrpn_long_term"):
        load(settings, load_tracker, "cpu", pytest.fail)


@pytest.mark.parametrize(("own", "used"), [(3, 3), (None, 1)])
def test_the_number_of_threads_that_is_told_is_the_networks(
    own: int | None, used: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a pool of its own a runtime takes no notice of what PyTorch is told, so nothing is to be tried out."""
    monkeypatch.setattr("siam_tracker_core.threads.usable_cores", lambda: 4)
    tracker = SimpleNamespace(threads=own, together=1, warm_up=lambda targets: None)
    chooser = load(Settings(), lambda *given, **named: tracker, "cpu", pytest.fail).threads  # type: ignore[arg-type, return-value]
    assert chooser.count == used
    assert chooser.adaptive is (own is None)
