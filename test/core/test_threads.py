"""The choice of threads, with a clock of the test's own in place of real work."""

from __future__ import annotations

import subprocess
import sys

import pytest

from siam_tracker_core.threads import CHOSEN, ThreadChooser, candidates, use_threads


class Machine:
    """Takes a given time for an update on each number of threads."""

    def __init__(self, seconds: dict[int, float]) -> None:
        self.seconds = seconds
        self.threads = 0
        self.now = 0.0
        self.used: list[int] = []

    def apply(self, count: int) -> None:
        self.threads = count

    def run(self, chooser: ThreadChooser, updates: int, targets: int = 1) -> None:
        for _ in range(updates):
            with chooser.update(targets):
                self.used.append(self.threads)
                self.now += self.seconds[self.threads]


def chooser_for(machine: Machine, numbers: tuple[int, ...]) -> ThreadChooser:
    return ThreadChooser(numbers, machine.apply, lambda: machine.now, rest=20, pairs=4)


@pytest.mark.parametrize(
    ("setting", "cores", "numbers"),
    [
        (CHOSEN, 1, (1,)),
        (CHOSEN, 2, (1,)),
        (CHOSEN, 3, (1, 2)),
        (CHOSEN, 4, (1, 2, 4)),
        (CHOSEN, 8, (1, 2, 4, 8)),
        (CHOSEN, 64, (1, 2, 4, 8)),
        (3, 2, (3,)),
    ],
)
def test_numbers_that_may_be_used(setting: int, cores: int, numbers: tuple[int, ...]) -> None:
    assert candidates(setting, cores) == numbers


def test_the_faster_number_is_found_and_left_when_the_load_changes() -> None:
    machine = Machine({1: 0.020, 2: 0.012, 4: 0.008})
    chooser = chooser_for(machine, (1, 2, 4))
    machine.run(chooser, 200)
    assert chooser.count == 4
    machine.seconds = {1: 0.025, 2: 0.060, 4: 0.250}  # another program wants a core
    machine.run(chooser, 300)
    assert chooser.count == 1


def test_trials_are_short_and_a_small_gain_changes_nothing() -> None:
    machine = Machine({1: 0.0200, 2: 0.0198})
    chooser = chooser_for(machine, (1, 2))
    machine.run(chooser, 280)
    assert chooser.count == 1
    assert machine.used.count(2) / len(machine.used) == pytest.approx(4 / 28, abs=0.02)


def test_work_of_different_sizes_is_judged_apart() -> None:
    machine = Machine({1: 0.020, 2: 0.030})
    chooser = chooser_for(machine, (1, 2))
    machine.run(chooser, 100, targets=1)
    machine.seconds = {1: 0.400, 2: 0.250}
    machine.run(chooser, 100, targets=16)
    assert chooser.count == 2
    machine.seconds = {1: 0.020, 2: 0.030}
    machine.run(chooser, 1, targets=1)
    assert chooser.count == 1


def test_one_number_is_set_once_and_left_alone() -> None:
    calls: list[int] = []
    chooser = ThreadChooser((2,), calls.append)
    for _ in range(100):
        with chooser.update(1):
            pass
    assert (calls, chooser.count, chooser.adaptive) == ([2], 2, False)


def test_the_number_reaches_pytorch_and_opencv() -> None:
    program = (
        "import cv2, torch\n"
        "from siam_tracker_core.threads import use_threads\n"
        "use_threads(2); print(torch.get_num_threads(), cv2.getNumThreads())\n"
        "use_threads(1); print(torch.get_num_threads(), cv2.getNumThreads())"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert run.stdout.split() == ["2", "2", "1", "1"]
    with pytest.raises(ValueError, match="threads cannot be 0; expected at least 1"):
        use_threads(0)
