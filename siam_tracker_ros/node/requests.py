"""The node's services: requests become commands of the tracking loop, and their answers messages."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from siam_tracker_ros.interfaces import LabelTarget, RemoveTarget, SetTarget
from siam_tracker_ros.node.commands import Refused, RemoveCommand, SetCommand
from siam_tracker_ros.node.journal import name_of
from siam_tracker_ros.node.messages import requested_box
from siam_tracker_ros.node.parameters import Settings
from siam_tracker_ros.node.tracking_loop import TrackingLoop
from siam_tracker_ros.stamps import to_nanoseconds


def answer_set(
    request: SetTarget.Request,
    active_loop: Callable[[], TrackingLoop],
    settings: Settings,
    logger: Any,
    complain: Callable[[str, str], None],
    detected: Callable[[SetTarget.Request, float], SetCommand],
) -> Future[SetTarget.Response]:
    """Have a target set; what speaks against it is found out at once, the rest by the tracking thread.

    Args:
        request: what is asked for.
        active_loop: gives the loop, or raises ``Refused`` where it cannot be asked now.
        settings: of the node.
        logger: told of a target that was set.
        complain: told of a refusal.
        detected: gives the command for a request of a detection, with the deadline of its image, or raises
            ``Refused``.

    Returns:
        The response, once it is known. It never raises.
    """
    image_deadline = time.monotonic() + settings.stamp_patience
    refusal: Refused | None = None
    command = SetCommand(
        to_nanoseconds(request.header.stamp),
        requested_box(request),
        request.id,
        request.label,
        image_deadline=image_deadline,
    )
    if request.source != SetTarget.Request.SOURCE_BOX:
        try:
            command = detected(request, image_deadline)
        except Refused as error:
            refusal = error

    def submit() -> None:
        if refusal is not None:
            raise refusal
        active_loop().set_target(command, settings.max_targets)

    def respond(answer: Future[int]) -> SetTarget.Response:
        try:
            target_id = answer.result()
        except Refused as error:
            complain("set_target refused", f"set_target refused: {error}")
            return SetTarget.Response(message=str(error))
        logger.info(f"following {name_of(target_id, command.label)}")
        return SetTarget.Response(success=True, id=target_id)

    return _answered(submit, command.answer, respond)


def answer_remove(
    request: RemoveTarget.Request, active_loop: Callable[[], TrackingLoop], logger: Any
) -> Future[RemoveTarget.Response]:
    """Have one target or all removed; arguments and result as those of ``answer_set``."""
    command = RemoveCommand(None if request.all else request.id)

    def respond(answer: Future[int]) -> RemoveTarget.Response:
        try:
            removed = answer.result()
        except Refused as error:
            return RemoveTarget.Response(message=str(error))
        if removed:
            logger.info(f"{removed} targets are removed" if request.all else f"target {request.id} is removed")
        return RemoveTarget.Response(success=True, removed=removed)

    return _answered(lambda: active_loop().remove(command), command.answer, respond)


def answer_label(
    request: LabelTarget.Request, response: LabelTarget.Response, active_loop: Callable[[], TrackingLoop]
) -> LabelTarget.Response:
    """Give a target another label; ``active_loop`` as for ``answer_set``."""
    try:
        targets = {target.id: target for target in active_loop().targets}
        if request.id not in targets:
            known = ", ".join(map(str, targets)) or "none"
            raise Refused(f"there is no target {request.id}; the targets are: {known}")
        targets[request.id].label = request.label
        response.success = True
    except Refused as error:
        response.message = str(error)
    return response


def _answered(submit: Callable[[], None], answer: Future[int], respond: Callable[[Future[int]], Any]) -> Future[Any]:
    response: Future[Any] = Future()
    answer.add_done_callback(lambda done: response.set_result(respond(done)))
    try:
        submit()
    except Refused as error:
        answer.set_exception(error)
    return response
