"""The corpus, what was found once, and a few hundred random changes of both; `make fuzz` runs a million."""

from __future__ import annotations

import pytest
from corpus import seeds
from entries import ENTRIES, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def corpora() -> dict[str, list[bytes]]:
    return {name: seeds(name) for name in ENTRIES}


@pytest.mark.parametrize("name", ENTRIES)
def test_the_corpus_and_random_changes_of_it(corpora: dict[str, list[bytes]], name: str) -> None:
    for data in corpora[name]:
        run(name, data)

    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(seed=st.sampled_from(corpora[name]), changes=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=8))))
    def change(seed: bytes, changes: list[tuple[float, bytes]]) -> None:
        data = bytearray(seed)
        for where, what in changes:
            place = int(where * len(data))
            data[place : place + len(what) or None] = what
        run(name, bytes(data))

    change()


def test_good_inputs_are_taken_without_an_error(corpora: dict[str, list[bytes]]) -> None:
    """The corpus would be worth little if it were refused at the first byte."""
    for name in ("image_message", "compressed_payload", "set_target_request", "boxes_file", "zoo_file", "state_file"):
        ENTRIES[name](corpora[name][0])
