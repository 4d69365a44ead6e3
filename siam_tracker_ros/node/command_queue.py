"""The queue of commands: filled by any thread, worked off by the tracking thread between images."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from siam_tracker_core.errors import SiamTrackerError
from siam_tracker_core.geometry import check_target_box
from siam_tracker_ros.node.commands import Command, Refused, SetCommand, give, refuse
from siam_tracker_ros.node.ring import FrameRing, StampInFuture, StampRefused

# Seconds that commands may take before the next image; the rest of a burst waits for the image after it.
_COMMAND_SECONDS = 0.2


class CommandQueue:
    """Commands in the order in which they came, and those that wait for an image that has not come yet.

    Args:
        changed: guards the queue, and is notified when a command is put into it.
    """

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self._commands: deque[Command] = deque()
        self._waiting: list[SetCommand] = []

    def put(self, command: Command) -> None:
        """Queue a command; its future gets the answer."""
        with self._changed:
            self._commands.append(command)
            self._changed.notify_all()

    @property
    def pending(self) -> list[SetCommand]:
        """The requests for a target that are accepted and not met yet."""
        with self._changed:
            return [each for each in (*self._commands, *self._waiting) if isinstance(each, SetCommand)]

    @property
    def is_empty(self) -> bool:
        """Whether no command is left but those that wait for an image."""
        return not self._commands

    @property
    def patience(self) -> float | None:
        """Seconds until the first command that waits for an image must be answered; None where none waits."""
        if not self._waiting:
            return None
        return max(0.0, min(command.image_deadline for command in self._waiting) - time.monotonic())

    def work_off(self, meet: Callable[[Command], int | None], hurry: bool) -> None:
        """Execute the commands of now, those that waited for an image first.

        Args:
            meet: executes one, and gives its answer, or None where the answer comes later.
            hurry: whether an image waits, so that a burst of commands is left unfinished after a while.
        """
        with self._changed:
            self._commands.extendleft(reversed(self._waiting))  # they were here before the others
            self._waiting = []
            count = len(self._commands)
        stop = time.monotonic() + _COMMAND_SECONDS
        for _ in range(count):
            if time.monotonic() > stop and hurry:
                return
            with self._changed:
                if not self._commands:
                    return
                command = self._commands[0]
            self._execute(command, meet)

    def _execute(self, command: Command, meet: Callable[[Command], int | None]) -> None:
        """Meet the first command of the queue, which stays in it meanwhile so that it is counted."""
        result: int | None = None
        reason, wait = "", False
        try:
            result = meet(command)
        except StampInFuture as error:
            wait = isinstance(command, SetCommand) and time.monotonic() < command.image_deadline
            reason = str(error)
        except (Refused, StampRefused, SiamTrackerError) as error:
            reason = str(error)
        except Exception as error:  # out of memory, or a defect: the caller must not wait for ever
            reason = f"the request could not be met: {error!r}"
        with self._changed:
            if self._commands and self._commands[0] is command:
                self._commands.popleft()
            if wait and isinstance(command, SetCommand):
                self._waiting.append(command)
        if reason and not wait:
            refuse(command, reason)
        elif not reason and result is not None:
            give(command.answer, result)

    def refuse_all(self, reason: str) -> None:
        """Empty the queue, and tell everybody who waits for an answer why there will be none."""
        with self._changed:
            commands = [*self._commands, *self._waiting]
            self._commands, self._waiting = deque(), []
        for command in commands:
            refuse(command, reason)


def check_request(
    command: SetCommand, ring: FrameRing, followed: set[int], pending: Sequence[SetCommand], limit: int
) -> None:
    """Refuse a request at once where something speaks against it already.

    Args:
        command: the request.
        ring: the images that are kept.
        followed: the ids of the targets that are followed.
        pending: requests that were accepted before this one and are not met yet.
        limit: how many targets there may be.

    Raises:
        Refused: if there is no such image, the box cannot be tracked, or there are too many targets.
    """
    known = followed | {each.id for each in pending if each.id}
    count = len(known) + sum(not each.id for each in pending)
    if command.id not in known and count >= limit:
        raise Refused(
            f"{count} targets are followed already and the parameter max_targets is {limit}; "
            "remove a target first, or raise max_targets"
        )
    try:
        check_target_box(command.box, *ring.find(command.stamp).size)
    except StampInFuture as error:
        if time.monotonic() >= command.image_deadline:
            raise Refused(str(error)) from None
    except (StampRefused, SiamTrackerError) as error:
        raise Refused(str(error)) from None
