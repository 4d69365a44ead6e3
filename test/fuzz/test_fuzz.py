"""The corpus, what was found once, and a few hundred random changes of both; `make fuzz` runs a million."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.slow  # two processes that import everything under instrumentation
def test_a_round_goes_on_from_what_the_one_before_kept(tmp_path: Path) -> None:
    """One process for all executions would end at the limit of memory, for what atheris holds on to."""
    pytest.importorskip("atheris", reason="atheris is not installed here")
    options = ["--runs=3000", "--round=2000", f"--out={tmp_path}"]
    run = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("fuzz.py")), "vot_file", *options], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout
    done = re.findall(r"#(\d+)\s+DONE.* corp: (\d+)/", run.stdout)
    assert [int(runs) for runs, _ in done] == [2000, 1000]
    kept = [int(count) for _, count in done]
    assert kept == sorted(kept)
    assert kept[0] > len(seeds("vot_file"))
