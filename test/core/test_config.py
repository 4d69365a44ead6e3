"""Settings that differ from their defaults."""

from dataclasses import asdict, replace

from hypothesis import given
from hypothesis import strategies as st

from siam_tracker_core.config import departures, merged, read_config
from siam_tracker_core.trackers.mdnet import MDNetConfig


@given(st.integers(1, 400), st.integers(1, 400), st.floats(0.01, 0.7))
def test_departures_undo_merging(candidates, rounds, lost):
    usual = MDNetConfig()
    config = replace(
        usual,
        candidates=candidates,
        classifier=replace(usual.classifier, update_rounds=rounds),
        lost=replace(usual.lost, lost=lost),
    )
    assert merged(asdict(usual), departures(config)) == asdict(config)
    assert read_config(MDNetConfig, departures(config), "here") == config


def test_defaults_are_left_out_at_every_depth():
    usual = MDNetConfig()
    assert departures(usual) == {}
    changed = replace(usual, classifier=replace(usual.classifier, seed=3))
    assert departures(changed) == {"classifier": {"seed": 3}}
