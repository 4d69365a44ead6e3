"""How many threads an update runs on: a number that is given, or one that short paired trials find out.

PyTorch splits each operator among its threads and waits for the slowest of them at its end. As soon as another program
takes a core from one thread, all others wait, dozens of times a frame: more threads then make an update slower, not
faster. Which number is best depends on the load at that moment, so it is tried while tracking.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import cv2
import torch

from siam_tracker_core.cores import usable_cores

CHOSEN = 0  # the setting that leaves the number to this module

_MOST = 8  # threads; more than this no update of one image has work for
_REST = 60  # updates between two trials
_PAIRS = 6  # updates on each number in one trial
_GAIN = 0.95  # share of the old number's time below which another number is taken


def use_threads(count: int) -> None:
    """Let PyTorch and OpenCV use ``count`` threads for what this thread calls from now on.

    Raises:
        ValueError: if ``count`` is not positive.
    """
    if count < 1:
        raise ValueError(f"threads cannot be {count}; expected at least 1")
    torch.set_num_threads(count)
    cv2.setNumThreads(count)


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread inside: for steps so small that several threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def candidates(setting: int, cores: int | None = None) -> tuple[int, ...]:
    """The numbers of threads that may be used.

    Args:
        setting: a number of threads; ``CHOSEN`` gives one thread on up to two cores, and on larger machines 1, 2, 4
            and 8 threads as far as there are cores.
        cores: cores of the machine; those that this process may use by default.
    """
    if setting != CHOSEN:
        return (setting,)
    cores = usable_cores() if cores is None else cores
    if cores <= 2:
        return (1,)
    return tuple(count for count in (1, 2, 4, _MOST) if count < cores or count == cores <= _MOST)


@dataclass
class _Choice:
    """What has been found out about one size of work.

    Attributes:
        place: index of the number in use.
        rival: index of the number that is tried, or None between trials.
        updates: how many there were since the last trial, or within this one.
        seconds: of the updates of this trial, of the number in use and of the rival.
        upwards: whether the next trial is of more threads.
    """

    place: int = 0
    rival: int | None = None
    updates: int = 0
    seconds: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))
    upwards: bool = True


class ThreadChooser:
    """Picks the number of threads for each update, and learns from how long it took.

    Every ``rest`` updates there is a trial: the number in use and a neighbouring one take turns, and the one with the
    lower mean time stays. The mean, not the median, because the tail is what hurts. Work of different sizes (targets
    that are searched) is judged apart, in powers of two.

    Args:
        numbers: of threads, in rising order, as from ``candidates``.
        apply: sets a number; ``use_threads`` by default.
        clock: gives seconds.
        rest, pairs: updates between two trials, and updates on each number within one.
    """

    def __init__(
        self,
        numbers: tuple[int, ...],
        apply: Callable[[int], None] = use_threads,
        clock: Callable[[], float] = time.perf_counter,
        rest: int = _REST,
        pairs: int = _PAIRS,
    ) -> None:
        self._numbers = numbers
        self._apply = apply
        self._clock = clock
        self._rest, self._pairs = rest, pairs
        self._choices: dict[int, _Choice] = {}
        self._applied: int | None = None
        self._current = numbers[0]

    @property
    def adaptive(self) -> bool:
        """Whether there is anything to choose from."""
        return len(self._numbers) > 1

    @property
    def count(self) -> int:
        """The number that was chosen for the last update's size of work; trials do not show."""
        return self._current

    @contextmanager
    def update(self, targets: int) -> Iterator[None]:
        """Run one update within the block.

        Args:
            targets: how many are searched in it.
        """
        choice = self._choices.setdefault(targets.bit_length(), _Choice())
        turn = self._turn(choice)
        place = choice.place if turn == 0 or choice.rival is None else choice.rival
        self._set(self._numbers[place])
        self._current = self._numbers[choice.place]
        began = self._clock()
        yield
        if self.adaptive:  # an update that failed says nothing about threads, so it is not counted
            self._learn(choice, turn, self._clock() - began)

    def _turn(self, choice: _Choice) -> int:
        """0 for the number in use, 1 for the rival; they take turns, and who is first changes with each pair."""
        if choice.rival is None:
            return 0
        return (choice.updates + choice.updates // 2) % 2

    def _set(self, number: int) -> None:
        if number != self._applied:
            self._apply(number)
            self._applied = number

    def _learn(self, choice: _Choice, turn: int, seconds: float) -> None:
        choice.updates += 1
        if choice.rival is None:
            if choice.updates >= self._rest:
                self._start_trial(choice)
            return
        choice.seconds[turn].append(seconds)
        if choice.updates >= 2 * self._pairs:
            own, rival = (sum(times) / len(times) for times in choice.seconds)
            if rival < _GAIN * own:
                choice.place = choice.rival
            else:
                choice.upwards = not choice.upwards
            choice.rival, choice.updates = None, 0

    def _start_trial(self, choice: _Choice) -> None:
        steps = (1, -1) if choice.upwards else (-1, 1)
        places = [choice.place + step for step in steps]
        choice.rival = next(place for place in places if 0 <= place < len(self._numbers))
        choice.updates = 0
        choice.seconds = ([], [])
