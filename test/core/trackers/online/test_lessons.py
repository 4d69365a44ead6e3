"""What is kept of lessons, and when the last ones are taken back."""

from __future__ import annotations

from dataclasses import replace

import torch

from siam_tracker_core.trackers.online.filter import Statistics
from siam_tracker_core.trackers.online.lessons import Lessons, Notebook


def lessons(count):
    known = Statistics(torch.eye(2), torch.zeros(2))
    return Lessons(known, known, torch.full((2,), float(count)), count)


def taught(count, keep_every=3):
    notebook = Notebook.of(lessons(0))
    for number in range(1, count + 1):
        notebook = notebook.learned(lessons(number), keep_every)
    return notebook


def test_the_older_copy_is_at_least_some_lessons_behind():
    for count in range(12):
        behind = count - taught(count).safe.count
        assert behind <= 2 * 3
        assert behind >= 3 or taught(count).safe.count == 0


def test_lasting_doubt_takes_the_last_lessons_back_once():
    notebook = taught(8)
    for _ in range(2):
        notebook = notebook.refuse(undo_after=3)
    assert (notebook.lessons.count, notebook.undone) == (8, False)
    notebook = notebook.refuse(undo_after=3)
    assert (notebook.lessons.count, notebook.undone) == (3, True)
    assert notebook.lessons is notebook.safe
    again = notebook
    for _ in range(10):
        again = again.refuse(undo_after=3)
    assert again.lessons is notebook.lessons


def test_a_lesson_ends_doubt():
    notebook = taught(8).refuse(3).refuse(3)
    notebook = notebook.learned(lessons(9), 3).refuse(3)
    assert (notebook.lessons.count, notebook.refused) == (9, 1)


def test_loss_takes_them_back_at_once():
    assert taught(8).refuse(3, at_once=True).lessons.count == 3


def test_a_frame_without_time_is_no_doubt():
    notebook = taught(8).refuse(3).refuse(3).skipped()
    assert (notebook.refused, notebook.waited) == (0, 3)
    assert replace(notebook.refuse(3)).lessons.count == 8
